"""Stress: by how much Dice falls when test images are turned, zoomed or shifted.

Convention: a condition changes the patient in the padded square of the slice, about its
centre. A positive rotation turns the patient clockwise on the screen, a zoom above 1
enlarges, and a positive shift moves the patient towards his or her left (right on the
screen), as a share of the square's width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from pathlib import Path

import pandas as pd

from deeprac.config import Config
from deeprac.errors import ConfigError, MetricsError
from deeprac.evaluation.checks import check_shares
from deeprac.evaluation.summarise import (
    IDENTITY,
    RunKey,
    again,
    check_identity,
    selected_runs,
)
from deeprac.evaluation.tidy import TEXT, read_tidy, shortened
from deeprac.files import read_json
from deeprac.labels import FOREGROUND
from deeprac.layout import Layout
from deeprac.settings.reports import StressConfig

STRESS_COLUMNS = (
    *IDENTITY,
    "case",
    "patient",
    "label",
    "kind",
    "value",
    "dice",
    "visible",
    "n_slices",
)
"""Columns of stress.csv: one row per run, case, condition and label."""


class Kind(StrEnum):
    """What is done to the patient in the picture; one thing at a time."""

    NONE = "none"
    """Nothing: the upright value that the others are compared with."""
    ROTATION = "rotation"
    """Turned by ``value`` degrees, clockwise on the screen."""
    SCALE = "scale"
    """Zoomed by the factor ``value``; above 1 the patient gets larger."""
    SHIFT = "shift"
    """Moved to the patient's left by ``value`` widths of the padded square."""


NEUTRAL = {Kind.NONE: 0.0, Kind.ROTATION: 0.0, Kind.SCALE: 1.0, Kind.SHIFT: 0.0}
"""The value of each kind that changes nothing."""


@dataclass(frozen=True)
class Condition:
    """One way in which the test images are changed."""

    kind: Kind
    value: float


def conditions(stress: StressConfig) -> tuple[Condition, ...]:
    """All conditions of a configuration, the unchanged images first.

    These stand for the neutral values of all kinds, which are not repeated.

    Example:
        >>> from deeprac.settings.reports import StressConfig
        >>> [c.value for c in conditions(StressConfig((), (-15.0, 0.0), (2.0,), ()))]
        [0.0, -15.0, 2.0]
    """
    values = {
        Kind.ROTATION: stress.angles_deg,
        Kind.SCALE: stress.scales,
        Kind.SHIFT: stress.shifts,
    }
    changed = [
        Condition(kind, float(value))
        for kind in values
        for value in values[kind]
        if value != NEUTRAL[kind]
    ]
    return Condition(Kind.NONE, NEUTRAL[Kind.NONE]), *changed


def stressed_runs(config: Config) -> Iterator[RunKey]:
    """The selected runs that are put under stress, in the configuration's order."""
    for key in selected_runs(config):
        if key.experiment in config.stress.experiments:
            yield key


def read_stress(path: Path, *, remedy: str) -> pd.DataFrame:
    """Read a stress.csv or summary/stress.csv.

    Raises:
        MetricsError: The file is missing or is no such table.
    """
    table = read_tidy(path, STRESS_COLUMNS, remedy=remedy, text=TEXT | {"kind"})
    return table[list(STRESS_COLUMNS)]


def collect_stress(config: Config, layout: Layout) -> pd.DataFrame:
    """Read and check the stress.csv of all runs that are put under stress.

    Returns:
        One row per run, case, condition and label, columns ``STRESS_COLUMNS``.

    Raises:
        ConfigError: No experiment is put under stress.
        MetricsError: A run, case, condition or label is missing, double or foreign.
    """
    if not config.stress.experiments:
        raise ConfigError(
            "stress.experiments is empty: there is nothing to collect. Name the "
            "experiments that are to be put under stress."
        )
    folds = read_json(layout.splits)
    tables = []
    for key in stressed_runs(config):
        path = layout.run(key.experiment, key.seed, key.fold) / "stress.csv"
        remedy = again("stress", key)
        table = read_stress(path, remedy=remedy)
        check_identity(table, key, path, remedy=remedy)
        check_shares(table, ("dice", "visible"), path, remedy=remedy)
        _check_complete(table, config, folds[key.fold]["val"], f"{path}. {remedy}")
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _check_complete(
    table: pd.DataFrame, config: Config, held_out: list[str], where: str
) -> None:
    """Each held-out case has one row for each condition and label, and no other."""
    expected = {
        (case, label.title, condition.kind.value, round(condition.value, 9))
        for case, label, condition in product(
            held_out, FOREGROUND, conditions(config.stress)
        )
    }
    rows = zip(table.case, table.label, table.kind, table.value.round(9), strict=True)
    found = list(rows)
    for title, wrong in (
        ("missing", expected.difference(found)),
        ("not asked for", set(found) - expected),
        ("double", {row for row in found if found.count(row) > 1}),
    ):
        if wrong:
            names = [f"{c} {label} {kind} {v:g}" for c, label, kind, v in sorted(wrong)]
            raise MetricsError(
                "Each held-out case needs one row for each condition and label; "
                f"{title}: {shortened(names)} in {where}"
            )
