"""The planned comparisons with their verdicts."""

import pandas as pd

from deeprac.config import Config
from deeprac.evaluation.statistics.comparisons import NOT_RUN, planned
from deeprac.evaluation.statistics.estimates import RESAMPLES
from deeprac.evaluation.statistics.power import POWER
from deeprac.reporting import formats
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    convention_note,
    small_note,
)
from deeprac.settings.reports import NON_INFERIORITY

NOTES = (
    "Differences of Dice in points, method minus reference, over the patients with a "
    "value in both (n; without: those who lack one). Mean difference with its "
    "bootstrap interval (BCa, "
    f"{RESAMPLES:,} resamples of the patients); typical difference: "
    "Hodges-Lehmann with its exact interval (none below six patients).",
    "p: Wilcoxon signed-rank test; for superiority two-sided, patients without a "
    "difference (equal) dropped; for non-inferiority one-sided, of the difference plus "
    "the margin, and judged at half the level. Holm: corrected over all tests of this "
    "table. Effect: matched-pairs rank-biserial correlation.",
    "Superior: p after Holm below 0.05, and mean and effect are positive (inferior: "
    "negative). Non-inferior: p "
    "after Holm below 0.05 and the mean difference's interval above minus the margin "
    "(inferior: all of the interval at or below it, without a test). "
    "Inconclusive is not equal. All of it is over patients, for the trainings at hand: "
    "where the SD over seeds is of the size of the difference, other seeds may decide "
    "otherwise.",
    f"Detectable: smallest true difference that this cohort would show with "
    f"{POWER:.0%} power, from the SD of the differences (t test, single test at 5 %); "
    "needed: patients for the observed difference (non-inferiority: its distance from "
    "the margin).",
)


def comparisons_table(config: Config, rows: pd.DataFrame, cases: pd.DataFrame) -> Table:
    """The planned comparisons.

    Args:
        config: The configuration of the cohort.
        rows: Result of :func:`deeprac.reporting.aggregate.experiment_rows`.
        cases: Columns of summary/cases.csv.

    Returns:
        Rows of :func:`planned`; to read, differences and tests in a first part, power
        and reasons in a second.
    """
    table = planned(config, cases)
    labels = {name: method.label for name, method in config.methods.items()}
    inputs = rows.set_index("experiment").network_input_size
    shown = table.assign(
        network_input_size=table.experiment.map(inputs),
        method_label=table.method.map(labels),
        reference_label=table.reference_method.map(labels),
    )
    run = shown[shown.verdict != NOT_RUN]
    absent = shown[shown.verdict == NOT_RUN]
    parts = [Part(_tests(), run), Part(_power(), run, "Power, and what decided")]
    if len(absent):
        parts.append(Part(_not_run(), absent, "Planned but not run"))
    return Table(
        name="comparisons",
        title=f"Planned comparisons. Cohort {config.cohort.name}.",
        rows=table,
        parts=tuple(parts) if len(run) else tuple(parts[2:]),
        notes=(
            f"n = {rows.n_patients.max()} patients; {len(run)} tests; margin "
            f"{100 * config.statistics.margin:g} points.",
            *NOTES,
            convention_note(config),
            *small_note(rows.n_patients.max()),
        ),
    )


def _named() -> tuple[Column, ...]:
    return (
        Column("", "Method", lambda r: r.method_label),
        Column("", "Reference", lambda r: r.reference_label),
        Column("", "Matrix", _where),
        Column("", "Input", lambda r: f"{r.network_input_size}"),
        Column("", "Label", lambda r: r.label),
    )


def _where(row: pd.Series) -> str:
    if pd.isna(row.training_patients):
        return row.matrix
    return f"{row.matrix}, {row.training_patients} patients"


def _tests() -> tuple[Column, ...]:
    return (
        *_named(),
        Column("", "Test", _test),
        Column("Patients", "n", lambda r: f"{r.n}"),
        Column("Patients", "without", lambda r: f"{r.n_undefined}"),
        Column(
            "Difference, points",
            "mean",
            lambda r: formats.gain(r.difference, r.low, r.high),
        ),
        Column(
            "Difference, points",
            "typical",
            lambda r: formats.gain(r.hodges_lehmann, r.hl_low, r.hl_high),
        ),
        Column("p", "single", lambda r: formats.p_value(r.p)),
        Column("p", "Holm", lambda r: formats.p_value(r.p_holm)),
        Column("", "Verdict", lambda r: r.verdict),
    )


def _power() -> tuple[Column, ...]:
    return (
        *_named(),
        Column("Patients", "n", lambda r: f"{r.n}"),
        Column("Patients", "equal", lambda r: f"{r.n_equal}"),
        Column("Patients", "needed", lambda r: formats.whole(r.patients_needed)),
        Column("", "Effect", lambda r: formats.ratio(r.rank_biserial)),
        Column(
            "SD of the difference over",
            "patients",
            lambda r: formats.percent(r.sd_difference),
        ),
        Column(
            "SD of the difference over", "seeds", lambda r: formats.percent(r.seed_sd)
        ),
        Column("", "Detectable", lambda r: formats.percent(r.detectable_difference)),
        Column("", "Why", lambda r: r.reason),
    )


def _not_run() -> tuple[Column, ...]:
    return (
        Column("", "Method", lambda r: r.method_label),
        Column("", "Reference", lambda r: r.reference_label),
        Column("", "Test", _test),
        Column("", "Label", lambda r: formats.MISSING if pd.isna(r.label) else r.label),
        Column("", "n", lambda r: "0"),
        Column("", "Why", lambda r: r.reason),
    )


def _test(row: pd.Series) -> str:
    return "non-inferior" if row.test == NON_INFERIORITY else "superior"
