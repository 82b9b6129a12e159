"""The planned comparisons with their verdicts."""

from dataclasses import replace

import pandas as pd

from deeprac.evaluation.gates import not_learned
from deeprac.evaluation.statistics.comparisons import planned
from deeprac.evaluation.statistics.estimates import RESAMPLES
from deeprac.evaluation.statistics.power import POWER
from deeprac.evaluation.statistics.verdicts import (
    MIN_PATIENTS,
    MIN_SEEDS,
    NOT_RUN,
    REFUSED,
)
from deeprac.reporting import formats
from deeprac.reporting.roles import training_suffix
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
TESTS = (
    *NAMED,
    TEST,
    number("n", "n", group="Patients"),
    number("n_undefined", "without", group="Patients"),
    number("n_seeds", "Seeds"),
    Column(
        "Difference, points",
        ("difference", "two_way_low", "two_way_high"),
        formats.gain,
    ),
    number("two_way_p", "single", formats.p_value, group="p"),
    number("two_way_p_holm", "Holm", formats.p_value, group="p"),
    words("verdict", "Verdict"),
    words("reason", "Why"),
)
TRAININGS = "Difference, points"
THESE = (
    *NAMED,
    number("n", "n", group="Patients"),
    number("n_equal", "equal", group="Patients"),
    Column("mean", ("difference", "low", "high"), formats.gain, TRAININGS),
    Column("typical", ("hodges_lehmann", "hl_low", "hl_high"), formats.gain, TRAININGS),
    number("wilcoxon_p", "Wilcoxon p", formats.p_value),
    number("rank_biserial", "Effect", formats.ratio),
    number("p_false", "P(false)", formats.p_value),
)
SPREAD = "SD of the difference, points"
POWERS = (
    *NAMED,
    number("n", "n", group="Patients"),
    number("two_way_needed", "needed", formats.whole, group="Patients"),
    number("n_seeds", "n", group="Seeds"),
    number("n_seeds_left_out", "left out", group="Seeds"),
    number("seeds_above", "above", group="Seeds"),
    number("seed_sd", "of seeds' means", formats.percent, group=SPREAD),
    number("sd_patients", "patients", formats.percent, group=SPREAD),
    number("sd_seeds", "seeds", formats.percent, group=SPREAD),
    number("sd_rest", "rest", formats.percent, group=SPREAD),
    number("two_way_detectable", "Detectable", formats.percent),
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
    "Differences of Dice in points, method minus reference, paired by patient and "
    "seed, over the patients with a value in both from every seed (n; without: those "
    "who lack one). In brackets the 95 % interval for patients and seeds both drawn "
    "at random (two-way random effects), and p by its t test: for superiority that "
    "there is no difference, for non-inferiority that it is minus the margin, "
    "two-sided. Holm: corrected over all tests of this table. One seed has no such "
    "interval and no test.",
    "A verdict needs p after Holm below 0.05, all seeds on the same side, at least "
    f"{MIN_SEEDS} seeds and {MIN_PATIENTS} patients, trainings that learned, and no "
    "method that is known to have not converged (the table of budgets); else "
    "the comparison is not decidable. Superior, non-inferior: above zero, above minus "
    "the margin; inferior: below. Inconclusive is not equal.",
    "These trainings: over patients alone, seeds averaged first. Mean difference with "
    f"its bootstrap interval (BCa, {RESAMPLES:,} resamples of the patients); typical "
    "difference: Hodges-Lehmann with its exact interval (none below six patients); "
    "Wilcoxon's signed-rank test against the same limit, patients without a difference "
    "(equal) dropped; effect: matched-pairs rank-biserial correlation. P(false): "
    "probability that the method is no better, for superiority, by mean, SD and n "
    "(Christodoulou et al. 2025). None of it speaks of other seeds.",
    "SD of the difference: of the seeds' means, and what the values vary by (variance "
    "components). Detectable: smallest true difference that so many patients and seeds "
    f"would show with {POWER:.0%} power (two-way t test, single test at 5 %); needed: "
    "patients for the observed difference with so many seeds (non-inferiority: for its "
    "distance from the margin). With one seed both are by the paired t test.",
)


def comparison_gates(summary: Summary) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What forbids a verdict: labels that were not learned, and not converged on."""
    return not_learned(summary.gates), summary.not_converged


def comparisons_table(summary: Summary) -> Table:
    """The planned comparisons.

    Returns:
        Rows of :func:`planned`; to read, differences, tests and verdicts in a first
        part, what patients alone say in a second, spread and power in a third.
    """
    config, rows = summary.config, summary.rows
    gates = comparison_gates(summary)
    table = planned(config, summary.cases, summary.runs, *gates)
    lost = set(summary.missing.experiment) - set(config.run.experiments)
    methods = [config.experiments[name].method for name in lost]
    both = table[["method", "reference_method"]]
    unmet = (table.verdict == NOT_RUN) & table.experiment.isna()
    unmet &= both.isin(methods).any(axis=1)
    table["reason"] = table.reason.mask(unmet, MISSING)
    methods_alone = {name: method.label for name, method in config.methods.items()}
    labels = {
        name: methods_alone[row.method]
        + training_suffix(replace(row, training_patients=None))
        for name, row in config.experiments.items()
    }
    inputs = rows.set_index("experiment").network_input_size
    shown = table.assign(
        network_input_size=table.experiment.map(inputs),
        method_label=table.experiment.map(labels).fillna(
            table.method.map(methods_alone)
        ),
        reference_label=table.reference.map(labels).fillna(
            table.reference_method.map(methods_alone)
        ),
        none=0,
    )
    away = shown.verdict.isin([NOT_RUN, REFUSED])
    run, absent = shown[~away], shown[away]
    parts = [
        Part(TESTS, run),
        Part(THESE, run, "Over patients: these trainings"),
        Part(POWERS, run, "Spread and power"),
    ]
    if len(absent):
        parts.append(Part(ABSENT, absent, "Planned but not made"))
    return Table(
        name="comparisons",
        title=f"Planned comparisons. Cohort {config.cohort.name}.",
        rows=table,
        parts=tuple(parts) if len(run) else tuple(parts[3:]),
        notes=(
            f"n = {rows.n_patients.max()} patients; {run.two_way_p.notna().sum()} "
            f"tests; margin {100 * config.statistics.margin:g} points.",
            *NOTES,
            *_untested_note(summary, run),
            convention_note(config),
            *small_note(rows.n_patients.max()),
        ),
    )


def _untested_note(summary: Summary, run: pd.DataFrame) -> tuple[str, ...]:
    """Of which compared experiments nothing tells whether they have converged."""
    names = dict.fromkeys(
        name
        for row in run.itertuples()
        for name in summary.untested(row.experiment, row.reference, label=row.label)
    )
    if not names:
        return ()
    return (
        "Verdicts hold at this number of steps: whether more of them would change the "
        f"Dice was not tested for {', '.join(names)}.",
    )
