"""The planned comparisons with their verdicts."""

import pandas as pd

from deeprac.evaluation.statistics.comparisons import NOT_RUN, planned
from deeprac.evaluation.statistics.estimates import RESAMPLES
from deeprac.evaluation.statistics.power import POWER
from deeprac.reporting import formats
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    convention_note,
    number,
    small_note,
    words,
)
from deeprac.settings.reports import NON_INFERIORITY, SUPERIORITY


def _where(matrix: str, training_patients: float) -> str:
    if pd.isna(training_patients):
        return matrix
    return f"{matrix}, {training_patients} patients"


TESTED = {NON_INFERIORITY: "non-inferior", SUPERIORITY: "superior"}
TEST = number("test", "Test", TESTED.__getitem__)
METHODS = (
    words("method_label", "Method", frozen=True),
    words("reference_label", "Reference"),
)
NAMED = (
    *METHODS,
    Column("Matrix", ("matrix", "training_patients"), _where, number=False),
    number("network_input_size", "Input"),
    words("label", "Label"),
)
GAIN = "Difference, points"
TESTS = (
    *NAMED,
    TEST,
    number("n", "n", group="Patients"),
    number("n_undefined", "without", group="Patients"),
    Column("mean", ("difference", "low", "high"), formats.gain, GAIN),
    Column("typical", ("hodges_lehmann", "hl_low", "hl_high"), formats.gain, GAIN),
    number("p", "single", formats.p_value, group="p"),
    number("p_holm", "Holm", formats.p_value, group="p"),
    words("verdict", "Verdict"),
)
SPREAD = "SD of the difference over"
POWERS = (
    *NAMED,
    number("n", "n", group="Patients"),
    number("n_equal", "equal", group="Patients"),
    number("patients_needed", "needed", formats.whole, group="Patients"),
    number("rank_biserial", "Effect", formats.ratio),
    number("sd_difference", "patients", formats.percent, group=SPREAD),
    number("seed_sd", "seeds", formats.percent, group=SPREAD),
    number("detectable_difference", "Detectable", formats.percent),
    words("reason", "Why"),
)
ABSENT = (
    *METHODS,
    TEST,
    words("label", "Label"),
    number("none", "n"),
    words("reason", "Why"),
)

MISSING = "its runs are missing"

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


def comparisons_table(summary: Summary) -> Table:
    """The planned comparisons.

    Returns:
        Rows of :func:`planned`; to read, differences and tests in a first part, power
        and reasons in a second.
    """
    config, rows = summary.config, summary.rows
    table = planned(config, summary.cases)
    lost = set(summary.missing.experiment) - set(config.run.experiments)
    methods = [config.experiments[name].method for name in lost]
    both = table[["method", "reference_method"]]
    unmet = table.experiment.isna() & both.isin(methods).any(axis=1)
    table["reason"] = table.reason.mask(unmet, MISSING)
    labels = {name: method.label for name, method in config.methods.items()}
    inputs = rows.set_index("experiment").network_input_size
    shown = table.assign(
        network_input_size=table.experiment.map(inputs),
        method_label=table.method.map(labels),
        reference_label=table.reference_method.map(labels),
        none=0,
    )
    run = shown[shown.verdict != NOT_RUN]
    absent = shown[shown.verdict == NOT_RUN]
    parts = [Part(TESTS, run), Part(POWERS, run, "Power, and what decided")]
    if len(absent):
        parts.append(Part(ABSENT, absent, "Planned but not run"))
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
