"""config/README.md knows every key; envs/ agree with each other."""

import json
import re
import runpy
from pathlib import Path

import pytest
import yaml

from deeprac.cohort.inspection import COLUMNS
from deeprac.records.metrics import METRIC_COLUMNS
from deeprac.schema import load_schema

ROOT = Path(__file__).parents[2]


def dotted(part, prefix=""):
    for key, child in part.get("properties", {}).items():
        if prefix or "properties" not in child:
            yield f"{prefix}{key}"
        yield from dotted(child, f"{prefix}{key}.")


def schema_keys():
    schema = load_schema()
    yield from dotted(schema)
    for name in ("matrix", "method", "experiment"):
        yield from dotted(schema["$defs"][name])


def test_the_key_tables_are_made_from_the_schema():
    page = ROOT / "config/README.md"
    with_tables = runpy.run_path(str(ROOT / "docs/keys.py"))["with_tables"]
    assert page.read_text() == with_tables(page.read_text()), (
        "call PYTHONPATH=src python docs/keys.py"
    )


@pytest.fixture(scope="module")
def measures():
    return runpy.run_path(str(ROOT / "docs/measures.py"))


@pytest.mark.parametrize("name", ["measures", "surgery"])
def test_the_tables_of_measures_and_flags_are_made_from_the_package(measures, name):
    text = (ROOT / f"docs/{name}.md").read_text()
    assert text == measures["with_tables"](text), (
        "call PYTHONPATH=src python docs/measures.py"
    )


def test_the_tables_of_the_crop_are_made_from_the_release():
    with_tables = runpy.run_path(str(ROOT / "docs/crop.py"))["with_tables"]
    text = (ROOT / "docs/crop.md").read_text()
    assert text == with_tables(text), "call PYTHONPATH=src python docs/crop.py"


def test_what_flags_find_by_hand(measures):
    # Of 4 bad cases 3 are flagged, of 6 good ones 1. Of the 210 ways to flag 4 of 10
    # cases 24 are such, and 15 (no bad one) and 1 (all of them) are no likelier.
    bad = [True] * 4 + [False] * 6
    raised = [True, True, True, False] + [True] + [False] * 5
    found, false, both, p = measures["row"](raised, bad)
    assert found.startswith("75 % (")
    assert false.startswith("17 % (")
    assert both == "40 %"
    assert float(p) == pytest.approx((24 + 15 + 1) / 210, abs=0.001)
    # Wilson, of none in 4: z^2 / (4 + z^2).
    assert measures["row"]([False] * 10, bad)[0] == "0 % (0 to 49)"


def test_flags_were_measured_on_enough_cases_of_phantoms_that_nobody_saw(measures):
    content = json.loads(measures["CASES"].read_text())
    bad = [measures["is_bad"](one) for one in content["cases"]]
    assert min(sum(bad), len(bad) - sum(bad)) >= 30
    assert content["git"]["dirty"] is False
    trained = 12  # of make demo
    assert min(int(one["case"][-3:]) for one in content["cases"]) >= trained


def test_each_key_is_in_a_table():
    rows = (ROOT / "config/README.md").read_text()
    assert [key for key in schema_keys() if f"\n| `{key}` | " not in rows] == []


def test_each_metric_column_is_documented():
    text = (ROOT / "config/README.md").read_text()
    assert [column for column in METRIC_COLUMNS if f"`{column}`" not in text] == []


def test_each_column_of_the_check_is_documented():
    text = (ROOT / "config/README.md").read_text()
    text = text.partition("`cohort/check/cases.csv`")[2].partition("`summary/")[0]
    between = {"size_y", "size_z", "spacing_x_mm", "spacing_y_mm"}
    columns = {*COLUMNS, "worst"} - between
    assert [column for column in columns if f"`{column}`" not in text] == []


PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "config/*.md", "*/README.md")
    for path in ROOT.glob(pattern)
)


def anchors(page):
    """Names of a page's headings, as links call them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_each_page_is_on_the_map():
    text = (ROOT / "docs/README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in text, page


def test_what_the_architecture_names_is_there():
    text = (ROOT / "docs/architecture.md").read_text()
    roots = (ROOT, ROOT / "src/deeprac")
    for name in re.findall(r"`([\w./]+(?:\.py|\.smk|\.yaml|/))`", text):
        assert any((root / name).exists() for root in roots), name


def locked():
    lines = (ROOT / "envs/requirements.lock").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_lock_holds_exact_versions():
    for line in locked():
        assert re.fullmatch(r"[\w.-]+==[\w.]+", line)


def test_the_conda_environment_agrees_with_the_lock():
    environment = yaml.safe_load((ROOT / "envs/deeprac.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == locked()


def test_each_requirement_is_locked():
    names = {line.partition("==")[0].lower() for line in locked()}
    for line in (ROOT / "envs/requirements.in").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.split("[=<>]", line)[0].lower() in names
