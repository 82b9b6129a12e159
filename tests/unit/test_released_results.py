"""The released tables, and the page that quotes them, are what the numbers give."""

import shutil
from pathlib import Path

import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.evaluation.summarise import RUN_COLUMNS
from deeprac.files import read_json, write_json

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "resources" / "released" / "ablation"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory) -> Path:
    """Folder in which tables and findings were made from the released summary."""
    folder = tmp_path_factory.mktemp("released")
    write_json(
        folder / "config.json",
        read_json(RELEASED / "config.json") | {"results": str(folder)},
    )
    shutil.copytree(RELEASED / "summary", folder / "ablation" / "summary")
    arguments = ("--config", str(folder / "config.json"))
    assert main(["tables", *arguments]) == 0
    protocol = ("--protocol", str(ROOT / "config" / "config.yaml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # where the protocol's methods are
        assert main(["findings", *arguments, *protocol]) == 0
    return folder / "ablation" / "tables"


@pytest.mark.parametrize(
    "name", sorted(p.name for p in (RELEASED / "tables").iterdir())
)
def test_tables_come_out_to_the_last_byte(rebuilt, name):
    assert (rebuilt / name).read_bytes() == (RELEASED / "tables" / name).read_bytes()


@pytest.mark.parametrize("table", ["ladder", "findings"])
def test_the_page_quotes_the_tables(table):
    page = (ROOT / "docs" / "results.md").read_text().splitlines()
    rows = (RELEASED / "tables" / f"{table}.md").read_text().splitlines()
    missing = [row for row in rows if row.startswith("|") and row not in page]
    assert not missing


def test_every_run_has_its_record_and_came_from_a_clean_commit():
    config = load_config([RELEASED / "config.json"])
    records = [
        read_json(RELEASED / name / f"seed{seed}" / f"fold_{fold}" / "run.json")
        for name in config.run.experiments
        for seed in config.run.seeds
        for fold in config.run.folds
    ]
    assert len({record["git"]["commit"] for record in records}) == 1
    for record in records:
        assert record["git"]["dirty"] is False
        assert "name" not in record["host"]
        assert record["argv"][0] == "deeprac"
        assert not any(Path(part).is_absolute() for part in record["argv"])
    header = (RELEASED / "summary" / "runs.csv").read_text().splitlines()[0]
    assert tuple(header.split(",")) == RUN_COLUMNS
