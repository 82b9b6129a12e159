"""Every shipped release verifies, and the page quotes what it says."""

import io
import re
import runpy
from pathlib import Path

import pandas as pd
import pytest

from deeprac.config_files import resolve
from deeprac.files import read_json
from deeprac.mask_geometry.frame_boxes import measure_boxes
from deeprac.mask_geometry.masks import find_masks
from deeprac.mask_geometry.window_table import window_table
from deeprac.release.contents import objections
from deeprac.release.manifest import MANIFEST, checked_files, read_manifest
from deeprac.release.verify import Outcome, verify_release

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "resources" / "released"
RELEASES = sorted(path.parent.name for path in RELEASED.glob("*/config.json"))
PAGES = ("results", "perspectives")
GEOMETRY = RELEASED / "kits23_geometry"
KITS = r"kits\d{5}(?:_s\d{3})?"
"""Names of cases and patients of KiTS, as they were published."""


def test_there_is_a_release():
    assert "ablation" in RELEASES


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] * (name != "crop"))
        for name in RELEASES
    ],
)
def test_the_release_verifies(name):
    """To the last byte on the processor that made it; elsewhere but for rounding."""
    verification = verify_release(RELEASED / name)
    later = Outcome.ADDED  # tables that the version of the release did not make
    tables = [table for table in verification.tables if table.outcome is not later]
    found = {table.name: table.outcome for table in tables}
    assert found
    assert set(found.values()) <= {Outcome.IDENTICAL, Outcome.ROUNDING}, found
    texts = {found[name] for name in found if not name.endswith(".csv")}
    assert texts == {Outcome.IDENTICAL}, found


@pytest.mark.parametrize("name", RELEASES)
def test_it_is_judged_by_the_claims_as_shipped(name):
    claims = read_json(RELEASED / name / "config.json")["report"]["claims"]
    assert claims == resolve({})["report"]["claims"]


@pytest.mark.parametrize("name", RELEASES)
def test_nothing_in_it_looks_like_a_patient(name):
    manifest = read_manifest(RELEASED / name)
    files = checked_files(RELEASED / name, manifest)
    shown = pd.read_csv(io.BytesIO(files["summary/cases.csv"]))
    # Its makers published these names.
    public = {n for n in (*shown.case, *shown.patient) if re.fullmatch(KITS, n)}
    found = objections(files, own_ids=public, reviewed=manifest["reviewed"])
    assert list(found) == []


@pytest.mark.parametrize("name", RELEASES)
def test_it_came_from_clean_commits_each_named_with_what_it_trained(name):
    manifest = read_json(RELEASED / name / MANIFEST)
    assert manifest["uncommitted"] == {"runs": 0, "release": False}
    commits = set(manifest["commits"]["training"])
    if "parts" not in manifest:  # an older release is of one commit
        assert len(commits) == 1
        return
    named = [
        (part["commit"], experiment, seed)
        for part in manifest["parts"]
        for experiment in part["experiments"]
        for seed in part["seeds"]
    ]
    runs = map(read_json, (RELEASED / name).glob("*/seed*/fold_*/run.json"))
    trained = {(run["git"]["commit"], run["experiment"], run["seed"]) for run in runs}
    assert len(named) == len(trained)
    assert set(named) == trained
    assert {commit for commit, *_ in named} == commits


@pytest.mark.parametrize("name", RELEASES)
def test_it_takes_at_most_10_mb(name):
    files = [path for path in (RELEASED / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 10e6


@pytest.fixture(scope="module")
def pages():
    return runpy.run_path(str(ROOT / "docs/pages.py"))


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_releases_say(pages, name):
    """Blocks, counts, verdicts and every number in between."""
    written = (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
    assert written == pages["page"](name), "call PYTHONPATH=src python docs/pages.py"


@pytest.mark.parametrize("name", PAGES)
def test_its_template_has_no_number_of_its_own(name):
    text = (ROOT / f"docs/{name}.md.j2").read_text(encoding="utf-8")
    for computed in (r"\{[{%].*?[%}]\}", r"```.*?```", r"\]\(.*?\)", r"`[^`]*`"):
        text = re.sub(computed, "", text, flags=re.DOTALL)
    assert re.findall(r".*\d.*", text) == []


def test_the_geometry_of_masks_is_whole_and_of_one_clean_commit():
    manifest = read_json(GEOMETRY / MANIFEST)
    assert set(checked_files(GEOMETRY, manifest)) == {
        f"{name}.csv"
        for name in ("agreement", "cases", "ceilings", "coverage", "windows")
    }
    assert manifest["git"]["dirty"] is False
    assert "CC BY-NC-SA 4.0" in manifest["note"]


def test_the_windows_follow_from_the_boxes():
    cases, windows = (
        pd.read_csv(GEOMETRY / f"{name}.csv") for name in ("cases", "windows")
    )
    pd.testing.assert_frame_equal(window_table(cases).round(6), windows)


def test_boxes_are_those_of_the_masks(shared_data):
    masks = find_masks([shared_data / "kits_masks" / "kits23"])
    released = pd.read_csv(GEOMETRY / "cases.csv").set_index("case")
    assert [one.case for one in masks] == list(released.index)
    (one_case,) = [one for one in masks if one.case == "case_00010"]
    measured = measure_boxes(one_case.read()).row
    for column, value in released.loc[one_case.case].items():
        assert measured[column] == pytest.approx(value, abs=1e-6), column
