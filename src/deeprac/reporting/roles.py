"""Which experiment plays which role: found by its properties, never by its name."""

import math
from collections import Counter
from dataclasses import dataclass

from deeprac.config import Config
from deeprac.front_ends import CASE_POSE, NONE, ORACLE
from deeprac.settings.methods import PLANNED, SCRATCH, SVF, Experiment, Method

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
        training = config.training_of(row)
        steps = training.epochs * training.iterations_per_epoch
        key = row.matrix, row.method, row.training_patients
        curves.setdefault(key, {})[steps] = row.name
    return [dict(sorted(curve.items())) for curve in curves.values() if len(curve) > 1]


def longest_trained(config: Config) -> list[str]:
    """Names of the selected experiments with most epochs: what is ranked.

    Shorter ones are the budget curve's, and compared with none of these.
    """
    rows = selected_experiments(config)
    epochs = {row.name: config.training_of(row).epochs for row in rows}
    return [name for name in epochs if epochs[name] == max(epochs.values())]


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

    def __str__(self) -> str:
        return (
            f"normaliser {self.normaliser}, crop {self.crop}, augmentation "
            f"{self.augmentation}, network input {self.network_input:g}"
            + f", {self.schedule}"
            * (self.schedule != SCRATCH)
        )


PLAIN = Role()
AUGMENTED = Role(augmentation="yes")
AUGMENTED_WIDE = Role(augmentation="wide")
MOMENTS = Role(normaliser="moments")
STN = Role(normaliser="stn")
STN_CROP_HALF = Role(normaliser="stn", crop="stn", network_input=0.5)


@dataclass(frozen=True)
class Cast:
    """The selected experiments at one matrix, by role and training patients.

    Attributes:
        config: The configuration of the cohort.
        matrix: Name of the matrix.
        epochs: Of their trainings; others are not compared with them. None: those of
            ``training.epochs``.
    """

    config: Config
    matrix: str
    epochs: int | None = None

    @property
    def experiments(self) -> list[Experiment]:
        """All of them, in the order of the configuration."""
        default = self.config.training.epochs
        epochs = default if self.epochs is None else self.epochs
        return [
            row
            for row in selected_experiments(self.config)
            if row.matrix == self.matrix
            and self.config.training_of(row).epochs == epochs
        ]

    def role(self, experiment: Experiment) -> Role:
        """The role of an experiment."""
        return Role.of(self.config.methods[experiment.method])

    def all_of(self, role: Role) -> list[Experiment]:
        """Experiments with a role, the one with most training patients first."""
        playing = [row for row in self.experiments if self.role(row) == role]
        return sorted(playing, key=training_patients, reverse=True)

    def main(self, role: Role) -> str | None:
        """Name of the experiment with a role and most training patients."""
        playing = self.all_of(role)
        return playing[0].name if playing else None

    def same_patients(self, role: Role, count: int | None) -> str | None:
        """Name of the experiment with a role and a number of training patients."""
        playing = [row for row in self.all_of(role) if row.training_patients == count]
        return playing[0].name if playing else None

    def missing(self, role: Role, count: int | None = None) -> str:
        """Say which experiment would be needed."""
        patients = "" if count is None else f", training_patients {count}"
        return f"no selected experiment at matrix {self.matrix} with {role}{patients}"


def largest_cast(config: Config) -> Cast:
    """The matrix with most of the selected experiments, the first of equals.

    One that nnU-Net plans is a control and is chosen only where there is no other.
    """
    rows = selected_experiments(config)
    sized = [row for row in rows if config.matrices[row.matrix].size != PLANNED]
    counts = Counter(row.matrix for row in sized or rows)
    return Cast(config, max(config.matrices, key=lambda matrix: counts[matrix]))
