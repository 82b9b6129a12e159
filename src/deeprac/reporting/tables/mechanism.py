"""What Dice hangs on: apparent size, true size, and pixels of the label."""

import pandas as pd

from deeprac.evaluation.statistics.estimates import NAN
from deeprac.evaluation.statistics.mechanism import FACTORS, factors, slopes
from deeprac.labels import FOREGROUND
from deeprac.records.tidy import foreground_rows
from deeprac.reporting import formats
from deeprac.reporting.ceilings import known_diagnostics
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    convention_note,
    extent_note,
    identified,
    number,
    row_columns,
)

KINDS = {"alone": "Alone, points per doubling", "together": "At equal others"}

NOTES = (
    "Points of Dice per doubling of a size, least squares over the patients, Dice "
    "averaged over seeds; in brackets the 95 % interval (by t) of these trainings. "
    "Alone: with no other size in the line, so that it holds what comes with the size "
    "too; at equal others: all three in one line. Explained: of the variance between "
    "the patients, by all three.",
    "Apparent size: scale of the body in the field of view, which the scanner adapts "
    "to the patient. True size: known of phantoms only. Pixels of the label: of its "
    "mean slice, as the network sees it, from its volume and the magnification.",
)


def mechanism_rows(summary: Summary) -> pd.DataFrame:
    """One row per experiment and label.

    Returns:
        Columns experiment, label, n, explained (share), and of each factor and kind
        ``<factor>_<kind>`` in points of Dice per doubling with ``_low`` and ``_high``;
        NaN where unknown.
    """
    experiments = list(summary.rows.experiment)
    diagnostics = known_diagnostics(summary, experiments)
    if diagnostics.empty:
        return pd.DataFrame(columns=["experiment", "label", "n", "explained"])
    cases = foreground_rows(summary.cases)
    sizes = factors(diagnostics, cases)
    scores = foreground_rows(summary.scores)
    rows = []
    for (name, label), own in scores.groupby(["experiment", "label"], sort=False):
        found = slopes(100 * own.set_index("patient").dice, sizes.loc[label])
        row = {"experiment": name, "label": label, "n": found.n}
        row["explained"] = found.explained
        for kind in KINDS:
            for factor in FACTORS:
                slope = getattr(found, kind).get(factor)
                ends = (slope.value, slope.low, slope.high) if slope else (NAN,) * 3
                keys_of = (f"{factor}_{kind}{end}" for end in ("", "_low", "_high"))
                row |= dict(zip(keys_of, ends, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def mechanism_table(summary: Summary) -> Table:
    """Slopes of Dice, one part per label, one line per experiment."""
    rows = mechanism_rows(summary)
    parts = []
    for label in FOREGROUND:
        own = rows[rows.label == label.title]
        if len(own):
            shown = identified(own, summary.rows)
            parts.append(Part(_columns(own), shown, label.title.capitalize()))
    return Table(
        name="mechanism",
        title="What Dice hangs on: sizes of the patients. Cohort "
        f"{summary.config.cohort.name}.",
        rows=rows,
        parts=tuple(parts),
        notes=(extent_note(summary.rows), *NOTES, convention_note(summary.config)),
    )


def _columns(rows: pd.DataFrame) -> tuple[Column, ...]:
    """Columns of the factors that are known."""
    slopes_of = []
    for kind, group in KINDS.items():
        for factor, title in FACTORS.items():
            ends = tuple(f"{factor}_{kind}{end}" for end in ("", "_low", "_high"))
            if rows[ends[0]].notna().any():
                slopes_of.append(Column(title, ends, _points, group))
    return (
        *row_columns(),
        *slopes_of,
        number("explained", "Explained, %", formats.percent_1),
        number("n", "n"),
    )


def _points(value: float, low: float, high: float) -> str:
    """A slope in points with its interval."""
    return formats.gain(value / 100, low / 100, high / 100)
