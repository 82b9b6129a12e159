"""The paper's numbers, read from data."""

from pathlib import Path

import pandas as pd

from deeprac.records.tidy import read_tidy
from deeprac.shipped import shipped

PUBLISHED = shipped("resources/published/isbi2021.csv")
"""Rows of La Barbera et al., ISBI 2021; columns in the README beside it."""

COLUMNS = (
    *("row", "tables", "matrix", "network_input", "batch_size", "method"),
    *("time_hours", "memory_gb", "kidney_dice", "kidney_sd"),
    *("tumour_dice", "tumour_sd", "baseline"),
)
TEXT = frozenset({"row", "tables", "method", "baseline"})


def read_published(path: Path = PUBLISHED) -> pd.DataFrame:
    """Read the published rows and add their ratios to the plain nnU-Net.

    Returns:
        One row per published row, indexed by ``row``: Dice as shares in 0..1
        (``kidney_dice_mean``, ``kidney_dice_sd``, and so for tumour),
        ``training_seconds``, ``memory_gb``, ``time_ratio`` and ``memory_ratio`` to the
        row named in ``baseline``; NaN where the paper gives no number. ``tables`` is a
        tuple of table numbers.
    """
    table = read_tidy(
        path, COLUMNS, remedy="Restore it from the repository.", text=TEXT
    )
    table = table.set_index("row")
    baseline = table.loc[table.baseline]
    percent = ["kidney_dice", "kidney_sd", "tumour_dice", "tumour_sd"]
    shares = (table[percent] / 100).round(6)
    return pd.DataFrame(
        {
            "tables": [tuple(map(int, cell.split(";"))) for cell in table.tables],
            "matrix_size": table.matrix,
            "network_input_size": table.network_input,
            "batch_size": table.batch_size,
            "method": table.method,
            "kidney_dice_mean": shares.kidney_dice,
            "kidney_dice_sd": shares.kidney_sd,
            "tumour_dice_mean": shares.tumour_dice,
            "tumour_dice_sd": shares.tumour_sd,
            "training_seconds": table.time_hours * 3600,
            "time_ratio": table.time_hours / baseline.time_hours.to_numpy(),
            "memory_gb": table.memory_gb,
            "memory_ratio": table.memory_gb / baseline.memory_gb.to_numpy(),
            "baseline": table.baseline,
        }
    )
