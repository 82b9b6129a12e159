"""Dice by age of the patients, and what a method gains over plain nnU-Net by age.

The gain is over the plain U-Net whose weights came about likewise: from scratch,
zero-shot or fine-tuned. A network of adults that meets smaller children loses less
where size is normalised, if size is what it loses by.
"""

import pandas as pd

from deeprac.errors import MetricsError
from deeprac.evaluation.gates import failures
from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.evaluation.statistics.method_means import method_mean
from deeprac.evaluation.statistics.patients import seed_differences
from deeprac.evaluation.statistics.two_way import two_way_interval
from deeprac.labels import FOREGROUND
from deeprac.records.age_groups import AGE_GROUP, age_group_names
from deeprac.reporting import formats
from deeprac.reporting.roles import Role, counterpart, selected_experiments
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
    words,
)
from deeprac.settings.methods import Experiment

DICE, GAIN = "Dice, %", "Gain over plain, points"
COLUMNS = (
    *row_columns(),
    words("schedule", "Weights"),
    words("age_group", "Age, years"),
    number("n", "n", group="Patients"),
    number("dice", "mean", formats.percent, group=DICE),
    Column("95 %", ("low", "high"), formats.interval, DICE),
    Column("points", ("gain", "gain_low", "gain_high"), formats.gain, GAIN),
    words("remark", "Remark", optional=True),
)
NOTES = (
    "Dice: mean over patients and trainings, with the 95 % interval for patients and "
    "seeds both drawn at random (two-way random effects); of one seed, over its "
    "patients alone. Gain: mean difference to the plain nnU-Net with the same "
    "matrix, training patients and steps whose weights came about likewise (from "
    "scratch, zero-shot, fine-tuned), paired by patient and seed. Intervals are not "
    "corrected for the number of groups.",
)
NONE = "No groups of ages are asked for (statistics.age_groups)."


def ages_rows(summary: Summary) -> pd.DataFrame:
    """One row per label, experiment and group of ages.

    Returns:
        Columns label, experiment, schedule, age_group, reference (the plain
        experiment), n (patients), n_seeds, and as shares in 0..1 dice, gain and their
        intervals; remark: why there is no gain, or which trainings did not learn. Of
        groups that have patients; no rows where none is asked for.

    Raises:
        MetricsError: The summary is older than the groups that are asked for.
    """
    config, cases = summary.config, summary.cases
    if not config.statistics.age_groups:
        return pd.DataFrame({"n": []})
    groups = age_group_names(config.statistics.age_groups)
    there = set(cases[AGE_GROUP]) if AGE_GROUP in cases else {""}
    if not there <= set(groups):
        raise MetricsError(
            f"{summary.layout.summary_cases} has other groups of ages than "
            "statistics.age_groups asks for. Run `deeprac summarise` again."
        )
    return pd.DataFrame(
        _row(summary, row, label.title, group)
        for label in FOREGROUND
        for row in selected_experiments(config)
        for group in groups
        if group in there
    )


def _row(
    summary: Summary, row: Experiment, label: str, group: str
) -> dict[str, object]:
    cases = summary.cases
    cases = cases[(cases.label == label) & (cases[AGE_GROUP] == group)]
    own = cases[cases.experiment == row.name]
    known = own.dice.notna().any()
    mean = method_mean(own) if known else Estimate(NAN, NAN, NAN, 0)
    method = summary.config.methods[row.method]
    plain = counterpart(summary.config, row, Role(schedule=method.schedule))
    found: dict[str, object] = {"reference": plain or "", "remark": None}
    gain = Estimate(NAN, NAN, NAN, 0)
    if plain is None:
        found["remark"] = f"no plain nnU-Net, {method.schedule}"
    elif plain != row.name and known:
        gain = two_way_interval(seed_differences(cases, row.name, plain))
        found["remark"] = failures(summary.gates, row.name, plain) or None
    return {
        "label": label,
        "experiment": row.name,
        "schedule": method.schedule,
        "age_group": group,
        "n": mean.n,
        "n_seeds": own.seed.nunique(),
        "dice": mean.value,
        "low": mean.low,
        "high": mean.high,
        "gain": gain.value,
        "gain_low": gain.low,
        "gain_high": gain.high,
        **found,
    }


def ages_table(summary: Summary) -> Table:
    """Dice by age: one part per label, one line per experiment and group."""
    config, rows = summary.config, ages_rows(summary)
    parts = []
    if len(rows):
        shown = identified(rows, summary.rows)
        parts = [
            Part(COLUMNS, shown[shown.label == label.title], label.title.capitalize())
            for label in FOREGROUND
        ]
    return Table(
        name="ages",
        title=f"Dice by age of the patients. Cohort {config.cohort.name}.",
        rows=rows,
        parts=tuple(parts),
        notes=(
            extent_note(summary.rows),
            *(NOTES if parts else (NONE,)),
            convention_note(config),
        ),
    )
