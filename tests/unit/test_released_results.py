"""Every shipped release verifies, and the page quotes what it says."""

from pathlib import Path

import pytest

from deeprac.files import read_json
from deeprac.release.contents import objections
from deeprac.release.manifest import MANIFEST, checked_files, read_manifest
from deeprac.release.verify import Outcome, verify_release

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "resources" / "released"
RELEASES = sorted(path.name for path in RELEASED.iterdir() if path.is_dir())


def test_there_is_a_release():
    assert "ablation" in RELEASES


@pytest.mark.parametrize("name", RELEASES)
def test_the_release_verifies(name):
    """To the last byte on the processor that made it; elsewhere but for rounding."""
    verification = verify_release(RELEASED / name)
    found = {table.name: table.outcome for table in verification.tables}
    assert found
    assert set(found.values()) <= {Outcome.IDENTICAL, Outcome.ROUNDING}, found
    texts = {found[name] for name in found if not name.endswith(".csv")}
    assert texts == {Outcome.IDENTICAL}, found


@pytest.mark.parametrize("name", RELEASES)
def test_nothing_in_it_looks_like_a_patient(name):
    manifest = read_manifest(RELEASED / name)
    files = checked_files(RELEASED / name, manifest)
    assert list(objections(files, reviewed=manifest["reviewed"])) == []


@pytest.mark.parametrize("name", RELEASES)
def test_it_came_from_one_clean_commit(name):
    manifest = read_json(RELEASED / name / MANIFEST)
    assert manifest["uncommitted"] == {"runs": 0, "release": False}
    assert len(manifest["commits"]["training"]) == 1


@pytest.mark.parametrize("table", ["ladder", "claims"])
def test_the_page_quotes_the_tables(table):
    page = (ROOT / "docs" / "results.md").read_text().splitlines()
    rows = (RELEASED / "ablation" / "tables" / f"{table}.md").read_text().splitlines()
    missing = [row for row in rows if row.startswith("|") and row not in page]
    assert not missing
