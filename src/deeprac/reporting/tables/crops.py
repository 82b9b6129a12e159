"""What a crop costs and covers, beside the same method without one."""

from dataclasses import replace

import numpy as np
import pandas as pd

from deeprac.evaluation.statistics.patients import (
    seed_differences,
    seed_table,
    training_sd,
)
from deeprac.evaluation.statistics.two_way import two_way_difference
from deeprac.fitting import PLANE
from deeprac.labels import FOREGROUND
from deeprac.reporting import formats
from deeprac.reporting.ceilings import known_diagnostics
from deeprac.reporting.roles import Role, counterpart, crops
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    conditions_note,
    convention_note,
    extent_note,
    identified,
    number,
    row_columns,
    shown_columns,
)

LABELS = tuple(label.title for label in FOREGROUND)

OF_LABEL = ("mean", "sd", "loss", "loss_low", "loss_high", "sampling")

COLUMNS = (
    *("experiment", "reference"),
    *(f"{label}_{key}" for label in LABELS for key in OF_LABEL),
    *("coverage_min", "missed", "grown", "fallback", "density"),
    *("flops_ratio", "saved_ratio", "n_patients", "n_seeds"),
)

NOTES = (
    "Loss: Dice without crop minus Dice with it, in points, paired by patient and "
    "training; in brackets the 95 % interval for patients and seeds both drawn at "
    "random (two-way random effects), which one seed has not. SD: over patients within "
    "a training, mean over the trainings. Sampling: what of the loss a perfect network "
    "has that answers every pixel of its input rightly.",
    "Coverage: smallest share of a case's labels inside the network's input. Grown: "
    "cases and trainings whose window was larger than calibrated; fallback: where the "
    "coarse segmentation found nothing. Density: pixels per length in units of the "
    "whole frame at the full matrix, median.",
    "Ratios are to the plain nnU-Net of the same matrix.",
)
UNDIAGNOSED = (
    "summary/diagnostics.csv is missing: what windows missed, their growth, fallback "
    "and density are unknown. Run `deeprac summarise --what diagnostics`."
)


def crops_rows(summary: Summary) -> pd.DataFrame:
    """One row per experiment with a crop, and per experiment that it stands beside.

    Returns:
        ``COLUMNS``: the reference is empty without crop; ``_sd`` is within a training;
        ``grown`` and ``fallback`` are shares of cases and trainings; cost is that of
        ``summary.rows``. NaN: unknown.
    """
    beside = _references(summary)
    diagnostics = known_diagnostics(summary, beside)
    rows = summary.rows[summary.rows.experiment.isin(beside)].set_index("experiment")
    found = []
    for name, row in rows.iterrows():
        own = diagnostics[diagnostics.experiment == name]
        found.append(
            {
                "experiment": name,
                "reference": beside[str(name)],
                **_dice(summary.cases, str(name), beside[str(name)]),
                **_sampling(diagnostics, str(name), beside[str(name)]),
                "coverage_min": row.coverage_min,
                "missed": own.missed.astype(float).sum(min_count=1),
                "grown": own.crop_grown.astype(float).mean(),
                "fallback": own.crop_fallback.astype(float).mean(),
                "density": _density(row, own.crop_side),
                "flops_ratio": row.flops_ratio,
                "saved_ratio": row.saved_ratio,
                "n_patients": row.n_patients,
                "n_seeds": row.n_seeds,
            }
        )
    return pd.DataFrame(found, columns=list(COLUMNS))


def _references(summary: Summary) -> dict[str, str]:
    """Experiments with a crop, each with that without, which has itself none."""
    config = summary.config
    beside: dict[str, str] = {}
    for name in config.run.experiments:
        experiment = config.experiments[name]
        method = config.methods[experiment.method]
        if not crops(method):
            continue
        uncropped = replace(Role.of(method), crop="none", network_input=1.0)
        reference = counterpart(config, experiment, uncropped)
        if reference is not None:
            beside[reference] = ""
        beside[name] = reference or ""
    return beside


def _dice(cases: pd.DataFrame, name: str, reference: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for label in LABELS:
        of_label = cases[cases.label == label]
        own = of_label[of_label.experiment == name]
        trainings = seed_table(own)
        found[f"{label}_mean"] = trainings.mean().mean()
        found[f"{label}_sd"] = training_sd(trainings)
        if reference:
            loss = two_way_difference(of_label, reference, name)
            found |= {f"{label}_loss": loss.value, f"{label}_loss_low": loss.low}
            found[f"{label}_loss_high"] = loss.high
    return found


def _sampling(diagnostics: pd.DataFrame, name: str, reference: str) -> dict[str, float]:
    """What a perfect network loses to the sampling; no key where unknown."""
    if not reference or diagnostics.empty:
        return {}
    found = {}
    for label in LABELS:
        ceilings = diagnostics.rename(columns={f"ceiling_{label}": "dice"})
        lost = seed_differences(ceilings, reference, name)
        found[f"{label}_sampling"] = lost.mean(axis=1).mean()
    return found


def _density(row: pd.Series, crop_side: pd.Series) -> float:
    """Pixels per length that a window has, in units of the whole frame's."""
    seen, whole = (_sides(row[key]) for key in ("network_input_size", "matrix_size"))
    root = np.sqrt if len(seen) == PLANE else np.cbrt
    density = root(np.prod(seen) / np.prod(whole))
    return float((density / crop_side.astype(float)).median())


def _sides(size: str) -> list[float]:
    """Sides in pixels of a size: a side, height x width, or these and the depth."""
    sides = [float(side) for side in str(size).split("x")]
    return sides if len(sides) > 1 else sides * PLANE


def crops_table(summary: Summary) -> Table:
    """Dice, what it loses, coverage, density and cost of every crop."""
    rows = crops_rows(summary)
    cohort = summary.config.cohort.name
    title = f"Crops, beside the same method without one. Cohort {cohort}."
    if rows.empty:
        note = f"{extent_note(summary.rows)} No selected experiment has a crop."
        notes = note, convention_note(summary.config)
        return Table(name="crops", title=title, rows=rows, parts=(), notes=notes)
    shown = identified(rows, summary.rows)
    diagnosed = summary.layout.summary_diagnostics.is_file()
    return Table(
        name="crops",
        title=title,
        rows=rows,
        parts=(Part(_quality(shown), shown), Part(_cost(shown), shown)),
        notes=(
            extent_note(summary.rows),
            conditions_note(summary.rows),
            *(*NOTES, *(() if diagnosed else (UNDIAGNOSED,))),
            convention_note(summary.config),
        ),
    )


def _quality(rows: pd.DataFrame) -> tuple[Column, ...]:
    columns = []
    for label in LABELS:
        group, ends = f"{label.capitalize()} Dice", ("", "_low", "_high")
        keys = tuple(f"{label}_loss{end}" for end in ends)
        columns += [
            Column(
                "mean (SD)", (f"{label}_mean", f"{label}_sd"), formats.mean_sd, group
            ),
            Column("loss, points", keys, formats.gain, group),
            number(
                f"{label}_sampling",
                "sampling",
                formats.percent,
                group=group,
                optional=True,
            ),
        ]
    shown = shown_columns(columns, rows)
    return (*row_columns(), *shown, number("n_patients", "n"))


def _cost(rows: pd.DataFrame) -> tuple[Column, ...]:
    columns = (
        number("coverage_min", "min, %", formats.percent, group="Coverage"),
        number("missed", "missed", formats.whole, group="Coverage"),
        number("grown", "grown", formats.percent_1, group="Cases, %", optional=True),
        number(
            "fallback", "fallback", formats.percent_1, group="Cases, %", optional=True
        ),
        number("density", "Density", formats.ratio),
        number("flops_ratio", "FLOPs", formats.ratio, group="Ratio"),
        number("saved_ratio", "saved bytes", formats.ratio, group="Ratio"),
        number("n_seeds", "Seeds"),
    )
    return (*row_columns(), *shown_columns(columns, rows))
