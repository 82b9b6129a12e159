"""The report page without a browser: its parts, its bytes, what it never holds."""

import base64
import gzip
import hashlib
import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.evaluation.statistics.patients import in_order
from deeprac.layout import Layout
from deeprac.provenance import digest
from deeprac.reporting import formats
from deeprac.reporting.page import build
from deeprac.reporting.page.browser import browse, by_interest, volume_bytes
from deeprac.reporting.page.collect import caption_html
from deeprac.reporting.page.identity import commands, identity, limits
from deeprac.reporting.page.tables import from_frame, from_table
from deeprac.reporting.page.volumes import (
    encode,
    kept_span,
    shrink_factor,
    shrink_image,
    shrink_labels,
    to_bytes,
)
from deeprac.reporting.summary import read_summary
from deeprac.reporting.tables.table import Column, Part, Table, number, words
from support.page_tree import (
    EVIL,
    SIZE,
    SPACING_MM,
    browser_of,
    document,
    write_results,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_resamples")]

VENDOR = Path(build.__file__).parent / "vendor"


class Elements(HTMLParser):
    """Collects elements, and the text of script elements by id."""

    def __init__(self):
        super().__init__()
        self.found, self.scripts, self.current = [], {}, None

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.current = dict(attrs).get("id") if tag == "script" else None

    def handle_data(self, data):
        if self.current is not None:
            self.scripts[self.current] = self.scripts.get(self.current, "") + data

    def handle_endtag(self, tag):
        self.current = None


def parsed(page):
    elements = Elements()
    elements.feed(page)
    elements.close()
    return elements


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    path = write_results(tmp_path_factory.mktemp("page"))
    assert main(["report", "--config", str(path)]) == 0
    return path


@pytest.fixture
def layout(results):
    return Layout.of(load_config([results]))


@pytest.fixture
def page(layout):
    return layout.report.read_text(encoding="utf-8")


# --- volumes --------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "factor"), [(192, 1), (193, 2), (512, 3), (40, 1)])
def test_slices_are_shrunk_by_the_smallest_whole_factor(side, factor):
    assert shrink_factor((side, 30), pixels=192) == factor


def test_a_shrunken_image_holds_the_means_of_blocks_and_continues_the_border():
    volume = np.arange(6.0).reshape(1, 2, 3)
    assert shrink_image(volume, 2).tolist() == [[[2.0, 3.5]]]


def test_a_shrunken_label_map_holds_the_most_frequent_label():
    volume = np.array([[[2, 2, 0, 1], [2, 0, 0, 0]]])
    assert shrink_labels(volume, 2).tolist() == [[[2, 0]]]
    assert shrink_labels(volume, 1).tolist() == volume.tolist()


def test_eight_bits_are_at_most_half_a_step_off():
    span = kept_span((-160, 240))
    values = np.linspace(*span, 1001)
    steps, slope, low = to_bytes(values, span)
    assert np.abs(steps * slope + low - values).max() <= slope / 2 + 1e-9
    assert to_bytes(np.array([-1000, 3000]), span)[0].tolist() == [0, 255]


def test_a_volume_is_nifti_in_the_frame_of_the_cohort():
    volume = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = base64.b64decode(encode(volume, (0.5, 0.75, 3.0), slope=2, intercept=-5))
    image = nib.Nifti1Image.from_bytes(gzip.decompress(content))
    assert image.shape == (4, 3, 2)
    assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
    np.testing.assert_allclose(image.header.get_zooms(), (0.5, 0.75, 3.0))
    np.testing.assert_allclose(image.get_fdata(), volume.T * 2.0 - 5)


# --- tables ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("show", "cell", "shown", "value"),
    [
        (formats.mean_sd, (0.8366, 0.0788), "83.66 (7.88)", 0.8366),
        (formats.gain, (-0.1693, -0.1757, -0.1628), "-16.93 [-17.57, -16.28]", -0.1693),
        (formats.duration, (125.0,), "2m05", 125.0),
        (formats.duration, (9.46,), "9.5s", 9.46),
        (formats.p_value, (1e-5,), "<0.001", 1e-5),
        (formats.whole, (float("inf"),), ">100,000", sys.float_info.max),
        (formats.mean_sd, (float("nan"), float("nan")), "-", None),
    ],
)
def test_cells_are_sorted_by_the_number_in_front(show, cell, shown, value):
    rows = pd.DataFrame({"n": [1]} | {f"k{i}": [v] for i, v in enumerate(cell)})
    keys = tuple(f"k{i}" for i in range(len(cell)))
    part = Part((Column("title", keys, show),), rows)
    ((_, grid),) = from_table(Table("t", "T", rows, (part,), ())).grids
    assert (grid["text"], grid["value"]) == ([[shown]], [[value]])


@pytest.mark.parametrize(
    ("n", "stated"),
    [
        ([12, 12], "2 rows. n = 12 patients."),
        ([3, 12], "2 rows. n = 3 to 12 patients."),
        ([pd.NA], "1 row. n = 0 patients."),
        ([], "0 rows, n = 0."),
    ],
)
def test_a_table_states_its_n(n, stated):
    rows = pd.DataFrame({"n": pd.array(n, dtype="Int64")})
    part = Part((number("n", "n"),), rows)
    assert from_table(Table("t", "T", rows, (part,), ())).n == stated


def test_parts_with_the_same_columns_are_one_grid():
    rows = pd.DataFrame({"n": [1, 2]})
    parts = tuple(Part((number("n", "n"),), rows, heading=name) for name in "ab")
    ((_, grid),) = from_table(Table("t", "T", rows, parts, ())).grids
    assert grid["text"] == [["a", "1"], ["a", "2"], ["b", "1"], ["b", "2"]]


def test_a_cell_keeps_its_full_value_beside_what_is_shown():
    frame = pd.DataFrame({"case": ["a", "b"], "dice": [2 / 3, np.nan]})
    columns = (words("case", "Case"), number("dice", "Dice", "{:.2f}".format))
    table = from_frame(frame, columns, name="t", title="T", n="n = 2")
    ((_, grid),) = table.grids
    assert grid["text"] == [["a", "0.67"], ["b", "-"]]
    assert grid["value"] == [["a", 2 / 3], ["b", None]]


# --- identity -------------------------------------------------------------------------


def run_record(**changes):
    record = {
        "git": {"commit": "c0ffee", "dirty": False},
        "device": {"type": "cuda", "name": "a GPU"},
        "host": {"name": "secret-host", "processor": "a CPU", "platform": "Linux"},
        "software": {"torch": "2.0", "python": "3.11"},
        "config_sha256": "abc",
        "segments": [{"start": "2026-01-02", "stop": "2026-01-03"}],
    }
    return record | changes


def test_identity_lists_what_differs_between_runs_once(results):
    dirty = run_record(git={"commit": "beef", "dirty": True})
    runs = [run_record(), run_record(), dirty]
    config = load_config([results])
    facts = identity(config, runs, "hash")
    assert facts["Commit of the code"] == (
        "c0ffee (clean)",
        "beef (uncommitted changes)",
    )
    assert facts["Device"] == ("a GPU (a CPU)",)
    assert facts["Packages"] == ("python 3.11, torch 2.0",)
    assert "secret-host" not in str(facts)
    assert any("uncommitted" in sentence for sentence in limits(config, runs))


def test_commands_name_the_commit(results):
    text_ = commands(load_config([results]), [run_record()])
    assert "git checkout c0ffee" in text_
    assert "metrics=" not in text_


def test_commands_of_a_release_start_where_the_release_is(results):
    released = load_config([results])
    released = replace(released, metrics="released", release="tree")
    lines = commands(released, [run_record()]).splitlines()
    rebuilt = lines.index("make review RELEASE=tree")
    assert rebuilt < lines.index("git checkout c0ffee")
    assert lines[-1].endswith("--config metrics=computed")
    assert "with cohort.path set" in lines[-2]


# --- figures --------------------------------------------------------------------------


def test_a_caption_is_markup_but_no_raw_html():
    assert "<em>n</em>" in caption_html("The *n*.")
    assert "<script" not in caption_html("<script>1</script>")


def test_a_missing_figure_says_what_to_run(results, layout, capsys):
    figure = layout.figures / "memory.png"
    content = figure.read_bytes()
    figure.unlink()
    assert main(["report", "--config", str(results)]) == 1
    figure.write_bytes(content)
    assert "deeprac figures" in capsys.readouterr().err


# --- the page -------------------------------------------------------------------------


def test_the_page_loads_nothing_from_outside(page):
    for tag, attributes in parsed(page).found:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            target = attributes.get(name)
            if target is not None:
                assert target.startswith(("data:", "#")), (tag, target)
        assert tag not in ("link", "iframe", "object", "embed", "base")


def test_the_policy_allows_scripts_by_hash_only(page):
    (policy,) = [
        attributes["content"]
        for tag, attributes in parsed(page).found
        if tag == "meta" and "http-equiv" in attributes
    ]
    assert policy.startswith("default-src 'none'")
    (scripts,) = re.findall("script-src ([^;]*)", policy)
    assert "unsafe" not in scripts
    assert "http" not in policy


def test_equal_results_give_equal_bytes(results, layout, page):
    assert main(["report", "--config", str(results)]) == 0
    assert layout.report.read_text(encoding="utf-8") == page


def texts_of(page):
    """The page, and all texts that are embedded in it."""
    yield page
    for kind, content in re.findall(r"data:([\w/+]+);base64,([\w+/=]+)", page):
        if "json" in kind or "csv" in kind or "svg" in kind:
            yield base64.b64decode(content).decode()


@pytest.mark.parametrize("own", ["own", "Meine Daten/Doe_Jane"])
def test_what_people_send_around_holds_no_path_of_the_machine(
    tmp_path, own, monkeypatch
):
    """Neither where results and source lie, nor the addresses of the network."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home_of_Doe" / own
    cohort = {"name": "tree", "format": "nnunet_raw", "path": str(home / "ct")}
    cohort |= {
        "patients": "../home_of_Doe/p.csv",
        "private": str(tmp_path / "home_of_Doe" / "my_key"),
    }
    cohort |= {"fetch": {"mirror": "http://proxy.home_of_Doe.local/"}}
    path = write_results(home, cohort=cohort)
    assert main(["report", "--config", str(path)]) == 0
    layout = Layout.of(load_config([path]))
    page = layout.report.read_text(encoding="utf-8")
    held = [*texts_of(page)]
    assert len(held) > 3
    for folder in (layout.tables, layout.figures, layout.root / "summary"):
        found = [file for file in folder.rglob("*") if file.suffix != ".png"]
        held += [file.read_text(encoding="utf-8") for file in found]
    for text_ in held:
        for word in ("home_of_Doe", "Doe_Jane", "my_key", "p.csv", str(Path.home())):
            assert word not in text_
    (shown,) = [json.loads(text_) for text_ in held[1:] if text_.startswith("{")]
    kept = json.loads(layout.config.read_text())
    assert shown["results"] == shown["cohort"]["path"] == "(a path on the machine)"
    assert shown["cohort"].keys() == kept["cohort"].keys()
    assert shown["training"] == kept["training"]
    assert digest(shown) in page
    assert "with cohort.path set to your copy" in page


def test_every_table_states_n(page):
    texts = re.findall(r'<span class="n">(.*?)</span>', page)
    assert len(texts) >= 8
    for stated in texts:
        assert re.search(r"n = \d", stated), stated


def test_the_numbers_in_the_page_are_those_of_the_file(page, layout):
    data = json.loads(parsed(page).scripts["data-cases"])["parts"][0]
    cases = in_order(pd.read_csv(layout.summary_cases, dtype={"case": str}))
    for index, column in enumerate(data["columns"]):
        values = [row[index] for row in data["value"]]
        expected = cases[column["key"]]
        expected = expected.astype(object).where(expected.notna(), None).tolist()
        assert values == expected, column["key"]


def test_tables_are_downloaded_as_they_lie_on_disk(page, layout):
    scripts = parsed(page).scripts
    # Without rows there is nothing to see: of no method is there a budget curve.
    for path in (p for p in layout.tables.glob("*.csv") if len(pd.read_csv(p))):
        assert json.loads(scripts[f"data-{path.stem}"])["csv"] == path.read_text()


def test_volumes_fill_the_budget_with_the_most_telling_cases(results, layout):
    config = load_config([results])
    summary = read_summary(config, layout)
    cases, cohort = summary.cases, summary.cohort()
    everything = browse(summary, cohort, budget=10**9)
    sizes = {case.case: volume_bytes(case) for case in everything.cases}
    assert set(sizes) == set(cases.case)
    first = by_interest(cases)[0]
    some = browse(summary, cohort, budget=sizes[first])
    assert [case.case for case in some.cases] == [first]
    assert set(some.left_out) == set(sizes) - {first}


def test_interest_is_the_worst_of_every_experiment_first():
    scored = pd.DataFrame(
        [
            {"experiment": e, "case": c, "fold": 0, "label": "kidney", "dice": d}
            for e, scores in {
                "x": (0.1, 0.5, 0.9, 0.6),
                "y": (0.8, 0.2, 0.7, 0.9),
            }.items()
            for c, d in zip("abcd", scores, strict=True)
        ]
    )
    assert by_interest(scored)[:2] == ["a", "b"]
    assert sorted(by_interest(scored)) == ["a", "b", "c", "d"]


def test_a_page_that_cannot_fit_says_so(results, tmp_path, capsys):
    overlay = tmp_path / "small.json"
    overlay.write_text('{"report": {"size_mb": 0.5}}')
    arguments = ["report", "--config", str(results), "--config", str(overlay)]
    assert main(arguments) == 1
    assert "report.size_mb is 0.5" in capsys.readouterr().err


def test_the_page_keeps_its_budget_and_names_what_it_leaves_out(
    results, layout, page, tmp_path
):
    volumes = [
        len(text_) for id_, text_ in parsed(page).scripts.items() if "volume-" in id_
    ]
    size_mb = (len(page.encode()) - min(volumes)) / 1e6
    overlay = tmp_path / "small.json"
    overlay.write_text(json.dumps({"report": {"size_mb": size_mb}}))
    try:
        assert main(["report", "--config", str(results), "--config", str(overlay)]) == 0
        smaller = layout.report.read_text(encoding="utf-8")
    finally:
        layout.report.write_text(page, encoding="utf-8")
    assert len(smaller.encode()) <= size_mb * 1e6
    assert "Left out, for the size of this file" in smaller


def test_embedded_labels_are_those_of_the_cohort(page, layout):
    volume = json.loads(parsed(page).scripts["volume-0"])
    content = gzip.decompress(base64.b64decode(volume["reference"]))
    embedded = nib.Nifti1Image.from_bytes(content)
    original = nib.load(layout.labels / f"{volume['case']}.nii.gz")
    assert embedded.shape == (SIZE[1], SIZE[0], 6)
    np.testing.assert_allclose(embedded.header.get_zooms(), SPACING_MM)
    np.testing.assert_array_equal(np.asarray(embedded.dataobj), original.get_fdata())


# --- names that would run -------------------------------------------------------------


def test_names_never_become_elements():
    plain = parsed(build.render(document(names=("a", "b", "c", "d"))))
    evil = parsed(build.render(document(names=EVIL)))
    assert [tag for tag, _ in evil.found] == [tag for tag, _ in plain.found]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3, unique=True))
def test_json_in_a_script_element_never_ends_it(names):
    browser = browser_of(tuple(names), "")
    content = build.script_json(build._browser_data(document(browser=browser)))
    assert not set("<>&") & set(content)
    assert json.loads(content)["cases"] == names


# --- libraries ------------------------------------------------------------------------


@pytest.mark.parametrize("entry", json.loads((VENDOR / "vendor.json").read_text()))
def test_vendored_files_are_what_their_list_says(entry):
    content = (VENDOR / entry["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    for licence in entry["licence_files"]:
        assert "copyright" in (VENDOR / licence).read_text().lower()


def test_every_vendored_script_is_on_the_list():
    listed = {e["file"] for e in json.loads((VENDOR / "vendor.json").read_text())}
    assert {p.name for p in VENDOR.glob("*.js")} | {
        p.name for p in VENDOR.glob("*.css")
    } == listed
