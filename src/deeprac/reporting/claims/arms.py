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

    A reference has the matrix, the training patients and the steps of its arm, but for
    a claim that names the steps of both; of several budgets the longest is judged.

    Args:
        config: The configuration of the cohort.
        claim: The claim.
        trained: Training patients by experiment.
    """
    curves = [list(curve.values()) for curve in budget_curves(config)]
    shorter = {name for curve in curves for name in curve[:-1]}
    rows = [
        row
        for row in selected_experiments(config)
        if (claim.steps or row.name not in shorter)
        and claim.dimensions in (None, config.matrices[row.matrix].dimensions)
    ]
    own, others = (
        [row for row in rows if _has_steps(config, claim, side, row)] for side in (0, 1)
    )
    arms = [
        row
        for arm in claim.arms
        for row in own
        if plays(config, arm, row) and _counts(claim, row, own, trained)
    ]
    if not arms:
        yield Pair(missing=_absence(claim, claim.arms))
    for row in dict.fromkeys(arms):
        if not claim.against:
            yield Pair(row.name)
        for other in claim.against:
            playing = [
                reference.name
                for reference in others
                if plays(config, other, reference)
                and (reference.matrix, reference.training_patients)
                == (row.matrix, row.training_patients)
            ]
            if len(playing) == 1:
                yield Pair(row.name, playing[0])
                continue
            missing = _absence(claim, (other,)) + f" beside {row.name}"
            if playing:
                missing = f"ambiguous: {' and '.join(playing)}; name a method"
            yield Pair(row.name, arm_title(other), missing)


def _has_steps(config: Config, claim: Claim, side: int, row: Experiment) -> bool:
    """Whether an experiment has the steps that a claim names for the arm or against."""
    training = config.training_of(row)
    steps = training.epochs * training.iterations_per_epoch
    return claim.steps is None or steps == claim.steps[side]


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
