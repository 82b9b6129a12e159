"""What the tables of a run were made with: the digest of all settings behind them.

Predictions depend on the training, whose settings, folds and data run.json sums up in a
digest, and on how the network is used. A table that was left behind by an earlier
training of the same run is known by it. Tables of older versions have no digest.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.layout import Layout
from deeprac.provenance import digest
from deeprac.records.run_key import RunKey
from deeprac.records.runs import read_run
from deeprac.records.tidy import read_tidy, shortened

MADE_WITH = "made_with_sha256"
"""Column of what a run's predictions lead to: transforms.csv, metrics.csv and so on."""


def made_with(config: Config, run: Mapping[str, Any]) -> str:
    """Return the digest of all that the predictions of a run depend on.

    Args:
        config: the whole configuration.
        run: content of run.json.
    """
    mirroring = config.inference.mirroring
    return digest({"training": run.get("config_sha256"), "mirroring": mirroring})


def digest_in(table: pd.DataFrame) -> str:
    """Return the digest that a table carries; empty for one of an older version."""
    return table[MADE_WITH].iloc[0] if MADE_WITH in table and len(table) else ""


def refuse_left_over(
    config: Config, layout: Layout, tables: Mapping[RunKey, pd.DataFrame], name: str
) -> None:
    """Refuse tables that were made with another training than is there now.

    Args:
        config: the whole configuration.
        layout: where the runs are.
        tables: by their runs.
        name: of their files.

    Raises:
        MetricsError: with the runs, or a run.json is missing.
    """
    foreign = []
    for key, table in tables.items():
        run = read_run(key.folder(layout) / "run.json", key)
        found = set(table[MADE_WITH]) - {""} if MADE_WITH in table else set()
        if found - {made_with(config, run)}:
            foreign.append(str(key))
    if foreign:
        raise MetricsError(
            f"{name} belongs to the training beside it; it was made with another one, "
            f"or with another inference.mirroring, for {shortened(foreign)}. Run the "
            "workflow, or `deeprac predict` and all verbs after it for these runs, "
            "again."
        )


def refuse_left_over_files(
    config: Config, layout: Layout, key: RunKey, *names: str
) -> None:
    """The same of files of one run; missing ones are left to who reads them."""
    for path in (key.folder(layout) / name for name in names):
        if path.is_file():
            table = read_tidy(path, (), remedy=key.again("predict"))
            refuse_left_over(config, layout, {key: table}, path.name)
