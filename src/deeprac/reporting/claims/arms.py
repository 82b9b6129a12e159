"""The experiments that play the arms of a claim."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from deeprac.config import Config
from deeprac.reporting.roles import (
    budget_curves,
    selected_experiments,
    training_patients,
)
from deeprac.schema import defaults, load_schema, merge
from deeprac.settings.claims import Arm, Claim
from deeprac.settings.effective import METHOD_KEYS
from deeprac.settings.methods import Experiment


@dataclass(frozen=True)
class Pair:
    """Two experiments by name; one without a reference, or with none that was run.

    Attributes:
        experiment: The arm; empty where none was run.
        reference: What it is compared with.
        missing: Which experiment would be needed; empty where none is missing.
    """

    experiment: str = ""
    reference: str = ""
    missing: str = ""

    @property
    def sides(self) -> list[str]:
        """Both experiments, or the one without a reference."""
        return [name for name in (self.experiment, self.reference) if name]


def plays(config: Config, arm: Arm, row: Experiment) -> bool:
    """Whether an experiment has the method, or the properties, that an arm names."""
    if isinstance(arm, str):
        return row.method == arm
    wanted = merge(defaults(load_schema()["$defs"]["method"]), arm)
    method = asdict(config.methods[row.method])
    return all(
        method[key] == (tuple(wanted[key]) if key == "augment_scale" else wanted[key])
        for key in (*METHOD_KEYS, "localiser")
    )


def arm_title(arm: Arm) -> str:
    """An arm in words.

    Example:
        >>> arm_title("stn"), arm_title({"normaliser": "stn", "augment": True})
        ('stn', 'normaliser stn, augment True')
    """
    if isinstance(arm, str):
        return arm
    return ", ".join(f"{key} {value}" for key, value in arm.items())


def pairs(config: Config, claim: Claim, trained: Mapping[str, float]) -> Iterator[Pair]:
    """Every arm that was run with each reference, at every matrix.

    A reference has the matrix and the training patients of its arm. Where the claim
    names no steps, both have the most steps that both were trained for.

    Args:
        config: The configuration of the cohort.
        claim: The claim.
        trained: Training patients by experiment.
    """
    rows = [
        row
        for row in selected_experiments(config)
        if claim.dimensions in (None, config.matrices[row.matrix].dimensions)
    ]
    own, others = (
        [row for row in rows if _has_steps(config, claim, side, row)] for side in (0, 1)
    )
    shorter = _shorter(config)
    arms = [
        row
        for arm in claim.arms
        for row in own
        if plays(config, arm, row) and _counts(claim, row, own, trained)
    ]
    if not arms:
        yield Pair(missing=_absence(claim, claim.arms))
    for row in dict.fromkeys(arms):
        if row.name in shorter and claim.steps is None:
            continue
        if not claim.against:
            yield Pair(row.name)
        for other in claim.against:
            playing = [one for one in others if plays(config, other, one)]
            alike = [one for one in playing if _patients(one) == _patients(row)]
            arm = row
            if claim.steps is None:
                arm, alike = _longest_common(config, row, own, alike)
            yield _pair(claim, arm, other, [one.name for one in alike])


def _pair(claim: Claim, row: Experiment, other: Arm, playing: list[str]) -> Pair:
    if len(playing) == 1:
        return Pair(row.name, playing[0])
    missing = _absence(claim, (other,)) + f" beside {row.name}"
    if playing:
        missing = f"ambiguous: {' and '.join(playing)}; name a method"
    return Pair(row.name, arm_title(other), missing)


def _longest_common(
    config: Config, row: Experiment, own: list[Experiment], others: list[Experiment]
) -> tuple[Experiment, list[Experiment]]:
    """The trainings of most steps that both have; the longest of each if none are."""
    curve = [
        r for r in own if (r.method, *_patients(r)) == (row.method, *_patients(row))
    ]
    own_first = sorted(curve, key=lambda one: one is not row)
    for one in sorted(own_first, key=config.steps_of, reverse=True):
        steps = config.steps_of(one)
        if alike := [r for r in others if config.steps_of(r) == steps]:
            return one, alike
    shorter = _shorter(config)
    return row, [r for r in others if r.name not in shorter]


def _shorter(config: Config) -> set[str]:
    """Names of experiments whose method was trained for more steps too."""
    curves = [list(curve.values()) for curve in budget_curves(config)]
    return {name for curve in curves for name in curve[:-1]}


def _patients(row: Experiment) -> tuple[str, int | None]:
    """At what matrix, and on how many patients, an experiment is trained."""
    return row.matrix, row.training_patients


def _has_steps(config: Config, claim: Claim, side: int, row: Experiment) -> bool:
    """Whether an experiment has the steps that a claim names for the arm or against."""
    return claim.steps is None or config.steps_of(row) == claim.steps[side]


def _counts(
    claim: Claim,
    row: Experiment,
    selected: list[Experiment],
    trained: Mapping[str, float],
) -> bool:
    """Whether an experiment has the training patients that a claim speaks of."""
    if claim.training_patients is not None:
        fewest, most = claim.training_patients
        return fewest <= trained[row.name] <= most
    alike = [r for r in selected if (r.method, r.matrix) == (row.method, row.matrix)]
    return training_patients(row) == max(map(training_patients, alike))


def _absence(claim: Claim, arms: tuple[Arm, ...]) -> str:
    names = " or ".join(map(arm_title, arms))
    patients = ""
    if claim.training_patients is not None:
        patients = " with {} to {} training patients".format(*claim.training_patients)
    steps = " for {} and {} steps".format(*claim.steps) if claim.steps else ""
    space = f" with {claim.dimensions} dimensions" if claim.dimensions else ""
    return (
        f"not run: no selected experiment has the method {names}"
        f"{patients}{steps}{space}"
    )
