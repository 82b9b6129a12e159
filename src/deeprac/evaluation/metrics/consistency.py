"""What must hold among the metrics of one row.

A number that was lost, edited or computed by another convention breaks one of these
rules; a table in which one is broken is refused as a whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deeprac.evaluation.metrics.conventions import COLUMNS as OVERLAPS
from deeprac.evaluation.metrics.conventions import has_kits_class
from deeprac.evaluation.metrics.regions import regions_titled
from deeprac.records.catalogue import METRICS

ROUNDING = 1e-6
"""Relative difference that rounding may leave between numbers that must agree."""


@dataclass(frozen=True)
class Rule:
    """A rule about one column.

    Attributes:
        column: the column.
        text: what holds of it, as the rest of a sentence.
        broken: which rows break the rule.
    """

    column: str
    text: str
    broken: "pd.Series[bool]"


def rules(table: pd.DataFrame) -> Iterator[Rule]:
    """Every rule on the rows of a table.

    Args:
        table: columns label and all of ``METRICS``.
    """
    no_prediction, no_reference = table.volume_ml == 0, table.reference_volume_ml == 0
    yield from _volumes(table, no_reference)
    yield from _overlaps(table, no_prediction, no_reference)
    for name in ("hd95_mm", "assd_mm"):
        yield Rule(
            name,
            "is empty exactly when prediction or reference is",
            table[name].isna() != (no_prediction | no_reference),
        )
        yield Rule(name, "is at least 0", ~_at_least_zero(table[name]))
    yield Rule(
        "coverage",
        "is empty exactly when the reference is",
        table.coverage.isna() != no_reference,
    )
    yield from _lesions(table)


def _at_least_zero(values: pd.Series) -> "pd.Series[bool]":
    return values.isna() | (np.isfinite(values) & (values >= 0))


def _volumes(table: pd.DataFrame, no_reference: "pd.Series[bool]") -> Iterator[Rule]:
    for name in ("volume_ml", "reference_volume_ml"):
        there = table[name].notna() & _at_least_zero(table[name])
        yield Rule(name, "is a number of at least 0", ~there)
    error = table.volume_ml - table.reference_volume_ml
    percent = (100 * error / table.reference_volume_ml).where(~no_reference)
    for name, expected in (
        ("volume_error_ml", error),
        ("volume_error_percent", percent),
        ("absolute_volume_error_ml", error.abs()),
        ("absolute_volume_error_percent", percent.abs()),
    ):
        agrees = np.isclose(
            table[name], expected, rtol=ROUNDING, atol=ROUNDING, equal_nan=True
        )
        yield Rule(
            name,
            "follows from volume_ml and reference_volume_ml",
            pd.Series(~agrees, table.index),
        )


def _overlaps(
    table: pd.DataFrame,
    no_prediction: "pd.Series[bool]",
    no_reference: "pd.Series[bool]",
) -> Iterator[Rule]:
    of_kits = has_kits_class(table)
    for name in OVERLAPS:
        defined = of_kits | (name != "nsd_kits")
        yield Rule(
            name,
            "is empty exactly when prediction and reference both are"
            + " (always, where the label is no KiTS class)" * (name == "nsd_kits"),
            table[name].isna() != ((no_prediction & no_reference) | ~defined),
        )
        yield Rule(
            name,
            "is 0 when one of prediction and reference is empty",
            defined & (no_prediction ^ no_reference) & (table[name] != 0),
        )
    yield Rule(
        "nsd_1mm", "is at most nsd_2mm", table.nsd_1mm > table.nsd_2mm + ROUNDING
    )


def _lesions(table: pd.DataFrame) -> Iterator[Rule]:
    regions = regions_titled(set(table.label))
    counted = table.label.isin([region.title for region in regions if region.lesions])
    for name in [name for name, metric in METRICS.items() if metric.kind == "count"]:
        yield Rule(
            name,
            "is empty exactly for labels without lesions",
            table[name].isna() == counted,
        )
        whole = table[name].isna() | (table[name] % 1 == 0)
        yield Rule(name, "is a count", ~(whole & _at_least_zero(table[name])))
    for part, total in (
        ("detected_lesions", "reference_lesions"),
        ("false_lesions", "predicted_lesions"),
    ):
        yield Rule(part, f"is at most {total}", table[part] > table[total])
