"""Stress: by how much Dice falls when test images are changed, or scanned otherwise.

Convention: a condition changes the patient in the padded square of the slice, about its
centre. A positive rotation turns the patient clockwise on the screen, a zoom above 1
enlarges, and a positive shift moves the patient towards his or her left (right on the
screen), as a share of the square's width. A positive truncation takes slices off the
upper end, a negative one off the lower, as a share of all slices: there is air, and no
label. A scene changes nothing about the patient, but what lies about him or her.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pandas as pd

from deeprac.config import Config
from deeprac.records.run_key import IDENTITY, RunKey, selected_runs
from deeprac.records.splits import Split
from deeprac.records.tidy import read_tidy
from deeprac.settings.reports import StressConfig

STRESS_COLUMNS = (
    *(*IDENTITY, "case", "patient", "label"),
    *("kind", "value", "dice", "visible", "n_slices"),
)
"""Columns of stress.csv: one row per run, case, condition and label."""


class Perturbation(StrEnum):
    """What is done to the patient in the picture, or to the scene; one at a time."""

    NONE = "none"
    """Nothing: the upright value that the others are compared with."""
    ROTATION = "rotation"
    """Turned by ``value`` degrees, clockwise on the screen."""
    SCALE = "scale"
    """Zoomed by the factor ``value``; above 1 the patient gets larger."""
    SHIFT = "shift"
    """Moved to the patient's left by ``value`` widths of the padded square."""
    TRUNCATION = "truncation"
    """Cut off along the patient's axis by ``value`` of its slices."""
    ARMS_DOWN = "arms_down"
    """A phantom scanned again with the arms beside the body, ``value`` 1."""
    CUSHION = "cushion"
    """A phantom scanned again in a thick cushion, ``value`` 1."""


MOVES = (Perturbation.ROTATION, Perturbation.SCALE, Perturbation.SHIFT)
"""Kinds that move the patient in the picture."""

NEUTRAL = {
    Perturbation.NONE: 0.0,
    Perturbation.ROTATION: 0.0,
    Perturbation.SCALE: 1.0,
    Perturbation.SHIFT: 0.0,
    Perturbation.TRUNCATION: 0.0,
    Perturbation.ARMS_DOWN: 0.0,
    Perturbation.CUSHION: 0.0,
}
"""The value of each kind that changes nothing."""


@dataclass(frozen=True)
class Condition:
    """One way in which the test images are changed."""

    kind: Perturbation
    value: float


def conditions(stress: StressConfig) -> tuple[Condition, ...]:
    """All conditions of a configuration, the unchanged images first.

    These stand for the neutral values of all kinds, which are not repeated.

    Example:
        >>> from deeprac.settings.reports import StressConfig
        >>> stress = StressConfig((), (-15.0, 0.0), (2.0,), (), (), ("cushion",), None)
        >>> [c.value for c in conditions(stress)]
        [0.0, -15.0, 2.0, 1.0]
    """
    values: dict[Perturbation, tuple[float, ...]] = {
        Perturbation.ROTATION: stress.angles_deg,
        Perturbation.SCALE: stress.scales,
        Perturbation.SHIFT: stress.shifts,
        Perturbation.TRUNCATION: stress.truncations,
        **{Perturbation(scene): (1.0,) for scene in stress.scenes},
    }
    changed = [
        Condition(kind, float(value))
        for kind in values
        for value in values[kind]
        if value != NEUTRAL[kind]
    ]
    return Condition(Perturbation.NONE, NEUTRAL[Perturbation.NONE]), *changed


def stressed_cases(split: Split, stress: StressConfig) -> list[str]:
    """The cases on which a run of a fold is put under stress.

    The first ``stress.cases`` of the test cases, or of those that the fold holds out
    where there are none.

    Example:
        >>> stress = StressConfig((), (), (), (), (), (), 1)
        >>> stressed_cases({"train": [], "val": ["b"], "test": ["t", "u"]}, stress)
        ['t']
    """
    return split.get("test", split["val"])[: stress.cases]


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
    return read_tidy(path, STRESS_COLUMNS, remedy=remedy)
