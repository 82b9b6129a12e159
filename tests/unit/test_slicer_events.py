"""Lines of a run: any bytes are an event or a log line."""

import json

import pytest
from DeePRACLib.events import Event, parse_line, time_left
from hypothesis import given
from hypothesis import strategies as st


@given(st.binary())
def test_any_bytes_give_an_event(line):
    assert isinstance(parse_line(line), Event)


@given(
    st.dictionaries(
        st.sampled_from(["event", "fraction", "seconds_left", "stage", "message"]),
        st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers()),
    )
)
def test_any_json_gives_an_event(fields):
    event = parse_line(json.dumps(fields).encode())
    assert event.fraction is None or 0 <= event.fraction <= 1
    assert event.seconds_left is None or event.seconds_left >= 0


def test_known_fields():
    line = b'{"event": "progress", "stage": "network", "fraction": 1.5, '
    line += b'"seconds_left": 75, "new": 1}\r\n'
    assert parse_line(line) == Event("progress", "", "network", 1.0, 75.0)


@pytest.mark.parametrize(
    "line", [b"plain\n", b"{not json\n", b'{"a": 1}\n', b'{"event": 3}', b"[" * 9]
)
def test_other_lines_are_log_lines(line):
    assert parse_line(line) == Event("log", line.decode().rstrip())


def test_bytes_that_are_no_utf8_are_shown():
    assert parse_line("Lékař".encode("cp1250")).message == "L\ufffdka\ufffd"
    assert parse_line(b"\xff ok").message == "\ufffd ok"


def test_time_left():
    assert time_left(None) == ""
    assert time_left(0.2) == "0 s left"
    assert time_left(3600) == "1 h 0 min left"
