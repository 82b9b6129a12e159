"""Bring releases made before runs.csv said which runs shared their machine to this one.

    python resources/released/migrate_times.py resources/released/NAME ...

The run.json files know when every run was trained. runs.csv is made of them anew: it
gains the columns ``shared_machine``, ``step_precision`` and, empty, those of inference;
what it had stays to the last byte. Tables are made anew from the summary; every Dice in
them has to stay what it was.
"""

import sys
from io import StringIO
from pathlib import Path

import pandas as pd
from migrate_names import write_tables

from deeprac.config import Config
from deeprac.evaluation.summarise import collect_runs
from deeprac.files import csv_text, read_json, write_text
from deeprac.layout import Layout
from deeprac.release.configuration import laid_out_config
from deeprac.release.manifest import MANIFEST

COUNTED = ("time_ratio", "training_seconds", "epoch_seconds_median", "data_wait_share")
"""Columns of tables that may change: times."""


def migrate(release: Path) -> None:
    """Add the columns in place."""
    layout = Layout(release)
    config = Config.from_resolved(laid_out_config(release, "results"))
    runs = csv_text(collect_runs(config, layout))
    old = layout.summary_runs.read_text(encoding="utf-8")
    kept = _cells(runs)[_header(old)]
    if not kept.equals(_cells(old)):
        raise SystemExit(f"{release}: runs.csv is not what the run.json files say.")
    before = _tables(layout)
    write_text(layout.summary_runs, runs)
    write_tables(release, read_json(release / MANIFEST))
    after = _tables(layout)
    for name, table in before.items():
        columns = [column for column in table if column not in COUNTED]
        if name == "claims":  # names and notes of memory and times say more
            columns = ["claim", "experiment", "value", "low", "high", "status"]
        if not after[name][columns].equals(table[columns]):
            raise SystemExit(f"{release}: more than times changed in {name}.csv.")
    shared = pd.read_csv(layout.summary_runs).shared_machine
    print(f"{release}: {shared.sum()} of {len(shared)} runs shared their machine")


def _cells(text: str) -> pd.DataFrame:
    return pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)


def _header(text: str) -> list[str]:
    return text.partition("\n")[0].split(",")


def _tables(layout: Layout) -> dict[str, pd.DataFrame]:
    paths = sorted(layout.tables.glob("*.csv"))
    return {
        path.stem: _cells(path.read_text(encoding="utf-8"))
        for path in paths
        if path.stat().st_size > 1
    }


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        migrate(Path(argument))
