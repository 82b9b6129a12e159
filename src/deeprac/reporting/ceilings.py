"""Dice of a perfect network through each run's own sampling (``inference.ceiling``).

From summary/diagnostics.csv, which Snakemake always makes. Without it, as where
somebody calls `deeprac tables` alone, nothing is known.
"""

from collections.abc import Collection

import pandas as pd

from deeprac.labels import FOREGROUND
from deeprac.records.diagnostics import DIAGNOSTIC_COLUMNS, LATER_COLUMNS
from deeprac.records.run_key import IDENTITY
from deeprac.reporting.summary import Summary

KEYS = (*IDENTITY, "case")


def known_diagnostics(summary: Summary, experiments: Collection[str]) -> pd.DataFrame:
    """Return the diagnostics of experiments; no rows where nobody made any."""
    if experiments and summary.layout.summary_diagnostics.is_file():
        return summary.diagnostics(experiments)
    return pd.DataFrame(columns=[*DIAGNOSTIC_COLUMNS, *LATER_COLUMNS])


def with_lost(summary: Summary, experiments: Collection[str]) -> pd.DataFrame:
    """Return the cases of experiments with the Dice that their network loses.

    Returns:
        Rows of ``summary.cases`` with the column ``lost``: what a perfect network
        reaches through the run's sampling, less the run's Dice; NaN where unknown.
    """
    cases = summary.cases[summary.cases.experiment.isin(experiments)]
    best = known_diagnostics(summary, experiments).melt(
        id_vars=list(KEYS),
        value_vars=[f"ceiling_{label.title}" for label in FOREGROUND],
        var_name="label",
        value_name="ceiling",
    )
    best["label"] = best.label.str.removeprefix("ceiling_")
    types = cases[list(KEYS)].dtypes
    merged = cases.merge(
        best.astype(types), on=[*KEYS, "label"], how="left", validate="1:1"
    )
    return merged.assign(lost=merged.ceiling.astype(float) - merged.dice)
