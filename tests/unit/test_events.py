"""What a long command tells: lines of JSON, Slicer's tags, and sentences."""

import io
import json
import xml.etree.ElementTree as ET

import pytest

from deeprac.errors import SurgeryError
from deeprac.events import Console, Events, JsonLines, SlicerCli

STAGES = {"read": 10.0, "segment": 20.0, "write": 10.0}


def told(listener, *, fail=False):
    stream = io.StringIO()
    try:
        with Events(STAGES) as events:
            events.listeners.append(listener(stream))
            events.send("started", notice="research software")
            events.progress("read")
            events.send("device", device="cpu", reason="asked for")
            events.send("folds", folds=[0, 2], of=[0, 1, 2])
            events.send("estimate", seconds=40.0, memory_gib=1.5, gpu_gib=None)
            events.progress("segment", 0.5)
            if fail:
                raise SurgeryError("The volume is <empty>. Give another.")
            events.progress("write", 1.0)
            events.send("finished", message="ok", seconds=3.5)
    except SurgeryError:
        assert fail
    return stream.getvalue()


def test_json_lines_have_stage_fraction_and_seconds_left():
    lines = [json.loads(line) for line in told(JsonLines).splitlines()]
    progress = [line for line in lines if line["event"] == "progress"]
    assert [(one["stage"], one["fraction"]) for one in progress] == [
        ("read", 0.0),
        ("segment", 0.5),
        ("write", 1.0),
    ]
    # Of the second stage half is done at once: only the third is left to wait for.
    left = [one["seconds_left"] for one in progress]
    assert left == pytest.approx([40.0, 10.0, 0.0], abs=2)
    assert [line["event"] for line in lines][-1] == "finished"


def test_what_is_learnt_of_a_stage_corrects_the_time_left():
    stream = io.StringIO()
    with Events(STAGES) as events:
        events.listeners.append(JsonLines(stream))
        events.progress("read")
        events.expect(segment=70.0)
        events.progress("segment")
        events.progress("segment", 0.5)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["fraction"] for line in lines] == [0.0, 0.1111, 0.5]
    assert lines[1]["seconds_left"] == 80.0


def test_slicer_finds_whole_tags_and_its_end():
    lines = told(lambda stream: SlicerCli(stream, "DeePRAC")).splitlines()
    tags = [ET.fromstring(line) for line in lines]
    assert tags[0].tag == "filter-start"
    assert tags[0].find("filter-name").text == "DeePRAC"
    progress = [float(tag.text) for tag in tags if tag.tag == "filter-progress"]
    assert progress == [0, 0.5, 1]
    assert tags[-1].tag == "filter-end"
    assert float(tags[-1].find("filter-time").text) == 3.5


def test_an_error_is_told_with_its_message_and_escaped():
    last = json.loads(told(JsonLines, fail=True).splitlines()[-1])
    assert last["event"] == "error"
    assert last["message"] == "The volume is <empty>. Give another."
    slicer = told(lambda stream: SlicerCli(stream, "D"), fail=True).splitlines()
    assert "<filter-comment>The volume is &lt;empty&gt;" in slicer[-2]
    assert slicer[-1].startswith("<filter-end>")


def test_an_end_from_outside_is_told():
    stream = io.StringIO()
    events = Events(STAGES)
    events.listeners.append(JsonLines(stream))
    with pytest.raises(SystemExit), events:
        raise SystemExit(143)
    assert json.loads(stream.getvalue())["message"] == "ended from outside"


def test_people_read_each_stage_once():
    text = told(Console).splitlines()
    assert text == [
        "started",
        "  0% read",
        "device: cpu (asked for)",
        "folds: 0, 2",
        "estimate: 40 s, 1.5 GiB of memory",
        " 50% segment",
        "100% write",
        "finished: ok",
    ]


def test_a_file_is_written_line_by_line_and_closed(tmp_path):
    path = tmp_path / "events.jsonl"
    with Events(STAGES) as events:
        events.listen(str(path))
        events.send("note", message="here")
        assert json.loads(path.read_text()) == {"event": "note", "message": "here"}
