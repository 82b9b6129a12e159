"""The ladder: what each part of a method buys over the plain nnU-Net.

One row per experiment that trains on all patients of a fold; those on fewer are in the
learning curve. It shows how sure the numbers are; the paper's stand in the table of all
experiments.
"""

import pandas as pd

from deeprac.evaluation.statistics.estimates import (
    NAN,
    RESAMPLES,
    Estimate,
    mean_interval,
)
from deeprac.evaluation.statistics.patients import paired_difference, seed_sd
from deeprac.labels import FOREGROUND
from deeprac.reporting import formats
from deeprac.reporting.roles import PLAIN, Cast
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

NOT_COMPARED = Estimate(NAN, NAN, NAN, 0)

NOTES = (
    "Dice: mean (SD) over patients in percent, out of fold; cases of one patient are "
    "averaged first, then seeds. In brackets the 95 % bootstrap interval (BCa, "
    f"{RESAMPLES:,} resamples of the patients).",
    "Gain: mean paired difference to the plain nnU-Net of the same matrix in points, "
    "over the patients scored in both. Intervals are not corrected for the number of "
    "comparisons.",
    "SD over seeds: of the seeds' means, in points. Ratios are to the plain nnU-Net of "
    "the same matrix, times on the same device only. Coverage: smallest share of a "
    "case's reference label inside the network input.",
)


def ladder_rows(summary: Summary) -> pd.DataFrame:
    """Add intervals, gains and the spread over seeds to the rows of the ladder.

    Returns:
        The rows with all training patients. New columns per label: ``_dice_low`` and
        ``_dice_high``; ``_gain``, ``_gain_low``, ``_gain_high`` and ``_gain_n``;
        ``_seed_sd``. Shares in 0..1; NaN for the gain of the plain nnU-Net itself.
    """
    experiments = summary.rows.experiment.map(summary.config.experiments)
    everyone = [row.training_patients is None for row in experiments]
    ladder = summary.rows[everyone].reset_index(drop=True)
    cases, scores = summary.cases, summary.scores
    added = []
    for name, matrix in zip(ladder.experiment, ladder.matrix, strict=True):
        epochs = summary.config.experiments[name].epochs
        plain = Cast(summary.config, matrix, epochs).same_patients(PLAIN, None)
        row: dict[str, float] = {}
        for label in [label.title for label in FOREGROUND]:
            of_label = scores[scores.label == label]
            dice = mean_interval(of_label[of_label.experiment == name].dice)
            gain = NOT_COMPARED
            if plain is not None and plain != name:
                pair = summary.common_scores.of(name, plain)
                gain = paired_difference(pair[pair.label == label], name, plain)
            own = cases[(cases.experiment == name) & (cases.label == label)]
            row |= {f"{label}_dice_low": dice.low, f"{label}_dice_high": dice.high}
            row |= {f"{label}_gain": gain.value, f"{label}_gain_low": gain.low}
            row |= {f"{label}_gain_high": gain.high, f"{label}_gain_n": gain.n}
            row |= {f"{label}_seed_sd": seed_sd(own)}
        added.append(row)
    return pd.concat([ladder, pd.DataFrame(added, index=ladder.index)], axis=1)


def ladder_table(summary: Summary) -> Table:
    """The readable ladder: numbers first, then what the methods are."""
    ladder = ladder_rows(summary)
    extent: tuple[str, ...] = ()
    if len(ladder):
        extent = extent_note(ladder), conditions_note(ladder), timed_note(ladder)
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


def _results() -> tuple[Column, ...]:
    dice, gains = [], []
    for label in [label.title for label in FOREGROUND]:
        group, own = f"{label.capitalize()} Dice, %", f"{label}_dice"
        means, ends = (f"{own}_mean", f"{own}_sd"), (f"{own}_low", f"{own}_high")
        dice += [
            Column("mean (SD)", means, formats.mean_sd, group),
            Column("95 %", ends, formats.interval, group),
        ]
        gain = tuple(f"{label}_gain{end}" for end in ("", "_low", "_high"))
        gains.append(Column(label, gain, formats.gain, "Gain over plain, points"))
    return (*row_columns(), *dice, *gains, number("n_patients", "n"))


def _details() -> tuple[Column, ...]:
    labels = [label.title for label in FOREGROUND]
    sd = "SD over seeds"
    return (
        *row_columns(),
        words("augmentation", "Augmentation"),
        words("normaliser", "Normaliser"),
        words("crop", "Crop"),
        *(number(f"{n}_seed_sd", n, formats.percent, group=sd) for n in labels),
        number("time_ratio", "time", formats.ratio, group="Ratio"),
        number("flops_ratio", "FLOPs", formats.ratio, group="Ratio"),
        number("coverage_min", "min, %", formats.percent, group="Coverage"),
        *(number(f"{n}_n", n, group="Scored patients") for n in labels),
        number("n_seeds", "Seeds"),
    )
