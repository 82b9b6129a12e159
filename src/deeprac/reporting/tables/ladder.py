"""The ladder: what each part of a method buys over the plain nnU-Net.

One row per experiment that trains on all patients of a fold; those on fewer are in the
learning curve. It shows how sure the numbers are; the paper's stand in the table of all
experiments.
"""

import pandas as pd

from deeprac.evaluation.statistics.comparisons import training_steps
from deeprac.evaluation.statistics.estimates import RESAMPLES, mean_interval
from deeprac.evaluation.statistics.patients import (
    complete,
    seed_differences,
    seed_table,
)
from deeprac.evaluation.statistics.two_way import two_way_interval
from deeprac.labels import FOREGROUND
from deeprac.reporting import formats
from deeprac.reporting.ceilings import with_lost
from deeprac.reporting.roles import PLAIN, counterpart
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.missing import with_missing
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    conditions_note,
    convention_note,
    extent_note,
    number,
    row_columns,
    timed_note,
    words,
)

LABELS = tuple(label.title for label in FOREGROUND)
ENDS = ("two_way_low", "two_way_high", "low", "high")
ADDED = tuple(
    f"{label}_{name}"
    for label in LABELS
    for name in (
        *(f"dice_{end}" for end in ENDS),
        *("dice_two_way_n", "lost", "gain", "gain_n"),
        *(f"gain_{end}" for end in ENDS),
    )
)
"""New columns of :func:`ladder_rows`: there without any row too."""

NOTES = (
    "Dice: mean (SD) in percent, of cases unseen in training; the mean is over "
    "patients and seeds, cases of one patient averaged first, the SD over patients "
    "within a training, mean over the trainings. 95 %: of the method, patients and "
    "seeds both drawn at random (two-way random effects), which one seed has not; "
    f"those of these trainings are bootstrap intervals (BCa, {RESAMPLES:,} resamples "
    "of the patients), and say nothing of other seeds.",
    "Gain: mean difference to the plain nnU-Net of the same matrix and number of "
    "steps in points, paired by patient and seed. Intervals are not corrected for "
    "the number of comparisons.",
    "Lost: Dice of a perfect network, which answers every pixel of its input rightly, "
    "through the run's own sampling, minus Dice: what is the network's fault and not "
    "the sampling's.",
    "SD over seeds: of the seeds' means, in points. Ratios are to the plain nnU-Net of "
    "the same matrix, times on the same device only. Coverage: smallest share of a "
    "case's reference label inside the network input.",
)


def ladder_rows(summary: Summary) -> pd.DataFrame:
    """Add intervals and gains to the rows of the ladder.

    Returns:
        The rows with all training patients. New columns per label: ``_gain``, over
        ``_gain_n`` patients, and of it and of ``_dice`` the intervals over patients and
        seeds (``_two_way_low``, ``_two_way_high``) and over patients (``_low``,
        ``_high``); ``_dice_two_way_n``, patients with a Dice in every seed, on whom the
        former rests; ``_lost``, what the network lacks to a perfect one. Shares in
        0..1; NaN for the gain of the plain nnU-Net itself, and over one that was
        trained for another number of steps.
    """
    experiments = summary.rows.experiment.map(summary.config.experiments)
    everyone = [row.training_patients is None for row in experiments]
    ladder = summary.rows[everyone].reset_index(drop=True)
    steps = training_steps(summary.runs)
    lost = with_lost(summary, set(ladder.experiment))
    added = []
    for name in ladder.experiment:
        experiment = summary.config.experiments[name]
        plain = counterpart(summary.config, experiment, PLAIN)
        row: dict[str, float] = {}
        for label in LABELS:
            cases = summary.cases[summary.cases.label == label]
            own = complete(seed_table(cases[cases.experiment == name]))
            row |= _intervals(own, f"{label}_dice")
            row[f"{label}_dice_two_way_n"] = len(own)
            less = lost[(lost.experiment == name) & (lost.label == label)]
            row[f"{label}_lost"] = seed_table(less, "lost").mean(axis=1).mean()
            gain = own.iloc[:0]
            if plain not in (None, name) and steps[plain] == steps[name]:
                gain = seed_differences(cases, name, plain)
            row |= {f"{label}_gain": gain.mean(axis=1).mean()}
            row |= {f"{label}_gain_n": len(gain), **_intervals(gain, f"{label}_gain")}
        added.append(row)
    new = pd.DataFrame(added, index=ladder.index, columns=list(ADDED))
    return pd.concat([ladder, new], axis=1)


def _intervals(table: pd.DataFrame, name: str) -> dict[str, float]:
    """Both intervals of the mean of a table of patients and seeds."""
    method, trainings = two_way_interval(table), mean_interval(table.mean(axis=1))
    ends = method.low, method.high, trainings.low, trainings.high
    return {f"{name}_{end}": value for end, value in zip(ENDS, ends, strict=True)}


def ladder_table(summary: Summary) -> Table:
    """The readable ladder: numbers first, then what the methods are."""
    ladder = ladder_rows(summary)
    extent: tuple[str, ...] = ()
    if len(ladder):
        extent = extent_note(ladder), conditions_note(ladder), timed_note(ladder)
        extent += _part_note(ladder)
    cohort = summary.config.cohort.name
    table = Table(
        name="ladder",
        title="What each part buys: all methods with all training patients. Cohort "
        f"{cohort}.",
        rows=ladder,
        parts=(Part(_results(), ladder), Part(_details(), ladder)),
        notes=(*extent, *NOTES, convention_note(summary.config)),
    )
    everyone = [
        name
        for name, row in summary.config.experiments.items()
        if row.training_patients is None
    ]
    return with_missing(table, summary, everyone)


def _part_note(ladder: pd.DataFrame) -> tuple[str, ...]:
    """How many patients the intervals rest on, where the means rest on more."""
    scored = ladder[[f"{label}_n" for label in LABELS]].to_numpy()
    sure = ladder[[f"{label}_dice_two_way_n" for label in LABELS]].to_numpy()
    if (sure == scored).all():
        return ()
    fewest = (f"{label} {n}" for label, n in zip(LABELS, sure.min(axis=0), strict=True))
    return (
        "Means are over all scored patients, 95 % intervals of the method over those "
        f"with a Dice in every seed that counts: {', '.join(fewest)} at least.",
    )


def _results() -> tuple[Column, ...]:
    dice, gains = [], []
    for label in LABELS:
        group, own = f"{label.capitalize()} Dice, %", f"{label}_dice"
        means, ends = (f"{own}_mean", f"{own}_training_sd"), _ends(f"{own}_two_way")
        dice += [
            Column("mean (SD)", means, formats.mean_sd, group),
            Column("95 %", ends, formats.interval, group),
        ]
        gain = f"{label}_gain", *_ends(f"{label}_gain_two_way")
        gains.append(Column(label, gain, formats.gain, "Gain over plain, points"))
    return (*row_columns(), *dice, *gains, number("n_patients", "n"))


def _ends(name: str) -> tuple[str, str]:
    return f"{name}_low", f"{name}_high"


def _details() -> tuple[Column, ...]:
    sd, trainings = "SD over seeds, points", "95 % of these trainings"
    return (
        *row_columns(),
        words("augmentation", "Augmentation"),
        words("normaliser", "Normaliser"),
        words("crop", "Crop"),
        *(
            Column(label, _ends(f"{label}_dice"), formats.interval, trainings)
            for label in LABELS
        ),
        *(
            number(f"{label}_dice_seed_sd", label, formats.percent, group=sd)
            for label in LABELS
        ),
        *(
            number(f"{label}_lost", label, formats.percent, group="Lost, points")
            for label in LABELS
        ),
        number("time_ratio", "time", formats.ratio, group="Ratio"),
        number("flops_ratio", "FLOPs", formats.ratio, group="Ratio"),
        number("coverage_min", "min, %", formats.percent, group="Coverage"),
        *(number(f"{n}_n", n, group="Scored patients") for n in LABELS),
        number("n_seeds", "Seeds"),
    )
