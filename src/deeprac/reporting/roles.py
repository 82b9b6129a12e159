"""Which experiment plays which role: found by its properties, never by its name."""

import math
from collections import Counter
from dataclasses import dataclass

from deeprac.config import Config
from deeprac.front_ends import CASE_POSE, NONE, ORACLE
from deeprac.settings.methods import SCRATCH, SVF, Experiment, Method

NNUNET_SCALE = (0.7, 1.4)
"""Zoom of nnU-Net's own augmentation."""


def augmentation(method: Method) -> str:
    """Data augmentation in one word.

    no, yes (nnU-Net's own), wide (more zoom) or svf (random velocity fields as well).
    """
    if not method.augment:
        return "no"
    if method.augment == SVF:
        return SVF
    (low, high), (smallest, largest) = method.augment_scale, NNUNET_SCALE
    return "wide" if low < smallest or high > largest else "yes"


def training_suffix(experiment: Experiment) -> str:
    """What the name of a method gets where it has patients or epochs of its own."""
    counts = {"patient": experiment.training_patients, "epoch": experiment.epochs}
    return "".join(
        f", {count} {name}{'s' if count > 1 else ''}"
        for name, count in counts.items()
        if count is not None
    )


def training_patients(experiment: Experiment) -> float:
    """How many patients train an experiment; infinite where all of a fold do."""
    count = experiment.training_patients
    return math.inf if count is None else count


def normalises(method: Method) -> bool:
    """Whether a method brings slices to one size and pose."""
    return method.normaliser != NONE


def estimates(method: Method) -> bool:
    """Whether a method finds size and pose in the slice itself."""
    return method.normaliser not in (NONE, ORACLE, CASE_POSE)


def crops(method: Method) -> bool:
    """Whether a method shows the U-Net a part of the frame only."""
    return method.crop != NONE


def selected_experiments(config: Config) -> list[Experiment]:
    """The experiments that the configuration selects, in its order."""
    return [config.experiments[name] for name in config.run.experiments]


def used_matrices(config: Config) -> list[str]:
    """Matrices of the selected experiments, in the order of the configuration."""
    used = {config.experiments[name].matrix for name in config.run.experiments}
    return [matrix for matrix in config.matrices if matrix in used]


def curve_experiments(config: Config) -> list[str]:
    """Experiments of methods with different ``training_patients`` at one matrix."""
    rows = selected_experiments(config)
    counts: dict[tuple[str, str], set[int | None]] = {}
    for row in rows:
        counts.setdefault((row.matrix, row.method), set()).add(row.training_patients)
    return [row.name for row in rows if len(counts[row.matrix, row.method]) > 1]


def budget_curves(config: Config) -> list[dict[int, str]]:
    """Methods that are trained for several numbers of steps, on the same patients.

    Returns:
        For each of them the names of its experiments by steps, fewest first.
    """
    curves: dict[tuple[object, ...], dict[int, str]] = {}
    for row in selected_experiments(config):
        key = row.matrix, row.method, row.training_patients
        curves.setdefault(key, {})[config.steps_of(row)] = row.name
    return [dict(sorted(curve.items())) for curve in curves.values() if len(curve) > 1]


def usual_steps(config: Config) -> int:
    """The training steps that most of the selected experiments have in common.

    Of equally many experiments those with more steps count.
    """
    counts = Counter(map(config.steps_of, selected_experiments(config)))
    return max(counts, key=lambda steps: (counts[steps], steps))


def trained_as_usual(config: Config) -> list[str]:
    """Names of the selected experiments with the usual steps: what is ranked.

    Shorter and longer ones are the budget curve's, and compared with none of these.
    """
    rows, usual = selected_experiments(config), usual_steps(config)
    return [row.name for row in rows if config.steps_of(row) == usual]


@dataclass(frozen=True)
class Role:
    """The properties of a method that is compared.

    Attributes:
        normaliser: See ``deeprac.config.Method``.
        crop: See there.
        augmentation: Result of :func:`augmentation`.
        network_input: Share of the matrix.
        schedule: How its weights come about.
    """

    normaliser: str = "none"
    crop: str = "none"
    augmentation: str = "no"
    network_input: float = 1.0
    schedule: str = SCRATCH

    @classmethod
    def of(cls, method: Method) -> "Role":
        """The role that a method can play."""
        return cls(
            normaliser=method.normaliser,
            crop=method.crop,
            augmentation=augmentation(method),
            network_input=method.network_input,
            schedule=method.schedule,
        )


PLAIN = Role()


def counterpart(config: Config, experiment: Experiment, role: Role) -> str | None:
    """Name of the selected experiment with a role that is trained like another one.

    That is, at the same matrix, on as many patients, for as many steps; None: there is
    none.
    """

    def training(row: Experiment) -> tuple[str, int | None, int]:
        return row.matrix, row.training_patients, config.steps_of(row)

    for row in selected_experiments(config):
        alike = training(row) == training(experiment)
        if alike and Role.of(config.methods[row.method]) == role:
            return row.name
    return None
