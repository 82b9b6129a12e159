"""The ladder: what each part of a method buys over the plain nnU-Net.

One row per experiment that trains on all patients of a fold; those on fewer are in the
learning curve. It shows how sure the numbers are; the paper's stand in the table of all
experiments.
"""

import pandas as pd

from deeprac.config import Config
from deeprac.evaluation.statistics.estimates import (
    NAN,
    RESAMPLES,
    Estimate,
    mean_interval,
)
from deeprac.evaluation.statistics.patients import (
    paired_difference,
    patient_dice,
    seed_sd,
)
from deeprac.labels import FOREGROUND
from deeprac.reporting import formats
from deeprac.reporting.roles import PLAIN, Cast
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    conditions_note,
    convention_note,
    extent_note,
    row_columns,
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


def ladder_rows(
    config: Config, rows: pd.DataFrame, cases: pd.DataFrame
) -> pd.DataFrame:
    """Add intervals, gains and the spread over seeds to the rows of the ladder.

    Args:
        config: The configuration of the cohort.
        rows: Result of :func:`deeprac.reporting.aggregate.experiment_rows`.
        cases: Columns of summary/cases.csv.

    Returns:
        The rows with all training patients. New columns per label: ``_dice_low`` and
        ``_dice_high``; ``_gain``, ``_gain_low``, ``_gain_high`` and ``_gain_n``;
        ``_seed_sd``. Shares in 0..1; NaN for the gain of the plain nnU-Net itself.
    """
    experiments = rows.experiment.map(config.experiments)
    everyone = [row.training_patients is None for row in experiments]
    mine = rows[everyone].reset_index(drop=True)
    scores = patient_dice(cases)
    added = [
        {
            key: value
            for label in FOREGROUND
            for key, value in _added(config, name, label.title, cases, scores).items()
        }
        for name in mine.experiment
    ]
    return pd.concat([mine, pd.DataFrame(added, index=mine.index)], axis=1)


def _added(
    config: Config, name: str, label: str, cases: pd.DataFrame, scores: pd.DataFrame
) -> dict[str, float]:
    mine = scores[scores.label == label]
    dice = mean_interval(mine[mine.experiment == name].dice)
    plain = Cast(config, config.experiments[name].matrix).same_patients(PLAIN, None)
    compared = plain is not None and plain != name
    gain = paired_difference(mine, name, plain) if compared else NOT_COMPARED
    own = cases[(cases.experiment == name) & (cases.label == label)]
    return {
        f"{label}_dice_low": dice.low,
        f"{label}_dice_high": dice.high,
        f"{label}_gain": gain.value,
        f"{label}_gain_low": gain.low,
        f"{label}_gain_high": gain.high,
        f"{label}_gain_n": gain.n,
        f"{label}_seed_sd": seed_sd(own),
    }


def ladder_table(config: Config, rows: pd.DataFrame, cases: pd.DataFrame) -> Table:
    """The readable ladder; arguments as of :func:`ladder_rows`."""
    ladder = ladder_rows(config, rows, cases)
    extent = (extent_note(ladder), conditions_note(ladder)) if len(ladder) else ()
    return Table(
        name="ladder",
        title=f"What each part buys: all methods with all training patients. Cohort "
        f"{config.cohort.name}.",
        rows=ladder,
        parts=(Part(_results(), ladder), Part(_details(), ladder)),
        notes=(*extent, *NOTES, convention_note(config)),
    )


def _results() -> tuple[Column, ...]:
    return (
        *row_columns(),
        *(column for label in FOREGROUND for column in _dice(label.title)),
        *(_gain(label.title) for label in FOREGROUND),
        Column("", "n", lambda r: f"{r.n_patients}"),
    )


def _details() -> tuple[Column, ...]:
    return (
        *row_columns(),
        Column("", "Augmentation", lambda r: r.augmentation),
        Column("", "Normaliser", lambda r: r.normaliser),
        Column("", "Crop", lambda r: r.crop),
        *(_seed_sd(label.title) for label in FOREGROUND),
        Column("Ratio", "time", lambda r: formats.ratio(r.time_ratio)),
        Column("Ratio", "FLOPs", lambda r: formats.ratio(r.flops_ratio)),
        Column("Coverage", "min, %", lambda r: formats.percent(r.coverage_min)),
        Column("Scored patients", "kidney", lambda r: f"{r.kidney_n}"),
        Column("Scored patients", "tumour", lambda r: f"{r.tumour_n}"),
        Column("", "Seeds", lambda r: f"{r.n_seeds}"),
    )


def _dice(label: str) -> tuple[Column, ...]:
    def mean(row: pd.Series) -> str:
        return formats.mean_sd(row[f"{label}_dice_mean"], row[f"{label}_dice_sd"])

    def interval(row: pd.Series) -> str:
        return formats.interval(row[f"{label}_dice_low"], row[f"{label}_dice_high"])

    group = f"{label.capitalize()} Dice, %"
    return Column(group, "mean (SD)", mean), Column(group, "95 %", interval)


def _gain(label: str) -> Column:
    def gain(row: pd.Series) -> str:
        ends = (row[f"{label}_gain_low"], row[f"{label}_gain_high"])
        return formats.gain(row[f"{label}_gain"], *ends)

    return Column("Gain over plain, points", label, gain)


def _seed_sd(label: str) -> Column:
    return Column(
        "SD over seeds", label, lambda r: formats.percent(r[f"{label}_seed_sd"])
    )
