"""Which figures there are, what they read, and which a configuration draws.

Light: the rules of the workflow ask it for their outputs and inputs. What draws them is
in ``deeprac.reporting.figures.draw``; their captions are
``workflow/report/{name}.rst``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter

from deeprac.config import Config
from deeprac.fitting import PLANE, SPACE
from deeprac.reporting.roles import (
    budget_curves,
    crops,
    curve_experiments,
    estimates,
    normalises,
    selected_experiments,
    trained_as_usual,
    used_matrices,
)
from deeprac.settings.methods import Method

Condition = Callable[[Config], object]
"""Whether, or what, a configuration has to show: nothing is false."""


@dataclass(frozen=True)
class Entry:
    """One figure.

    Attributes:
        name: Its name, that of its module and of its caption.
        title: What it shows, in a list of figures.
        needs: What it reads: ``summary`` (cases.csv and runs.csv), ``diagnostics`` and
            ``stress`` (the tables of these names), ``curves`` (training.csv of the
            runs), ``volumes`` (CT, labels, predictions and transforms of the cases).
        shown: Whether a configuration has what it shows.
    """

    name: str
    title: str
    needs: frozenset[str]
    shown: Condition


def selected(config: Config) -> dict[str, Entry]:
    """The figures that are drawn for a configuration, by file name.

    Overlays are one per matrix, ``overlays_{matrix}``; all others are named as their
    entry. Released metrics come without volumes, and so without the figures of these.
    """
    chosen = {
        name: entry
        for name, entry in CATALOGUE.items()
        if entry.shown(config)
        and not (config.has_released_metrics and "volumes" in entry.needs)
    }
    if overlays := chosen.pop("overlays", None):
        for matrix in used_matrices(config):
            title = f"{overlays.title}, {matrix}"
            chosen[f"overlays_{matrix}"] = replace(overlays, title=title)
    return chosen


def _always(_: Config) -> bool:
    return True


def _with_method(wanted: Callable[[Method], bool]) -> Condition:
    """Whether a selected experiment has a wanted method."""
    return lambda config: any(
        wanted(config.methods[row.method]) for row in selected_experiments(config)
    )


def _with_method_of(dimensions: int, wanted: Callable[[Method], bool]) -> Condition:
    """Whether one has it that sees slices, or volumes."""
    return lambda config: any(
        wanted(config.methods[row.method])
        and config.matrices[row.matrix].dimensions == dimensions
        for row in selected_experiments(config)
    )


def _compares(config: Config) -> bool:
    """Whether two methods meet at a matrix, trained for the usual steps."""
    rows = [config.experiments[name] for name in trained_as_usual(config)]
    pairs = {(row.matrix, row.method) for row in rows}
    return len(pairs) > len({matrix for matrix, _ in pairs})


_normalised = _with_method(normalises)
_normalises_volumes = _with_method_of(SPACE, normalises)
_estimates_slices = _with_method_of(PLANE, estimates)
_cropped, _front_end = _with_method(crops), _with_method(attrgetter("has_front_end"))
_stressed = attrgetter("stress.experiments")

NEEDS = {"summary", "diagnostics", "stress", "curves", "volumes"}
"""Everything that a figure can need."""

_ROWS = (
    ("dice_by_method", "Dice per case by method", "summary", _always),
    ("paired_differences", "Paired differences of Dice between methods", "summary",
     _compares),
    ("significance", "Which methods differ in these trainings", "summary", _compares),
    ("ranking", "Reliability of the ranking", "summary", _compares),
    ("bland_altman", "Agreement of tumour volume (Bland-Altman)", "summary", _always),
    ("time_vs_dice", "Training time against Dice", "summary", _always),
    ("memory", "Memory", "summary", _always),
    ("training_curves", "Training curves", "summary curves", _always),
    ("learning_curve", "Dice against the number of training patients", "summary",
     curve_experiments),
    ("budget_curve", "Dice against the number of training steps", "summary curves",
     budget_curves),
    ("stn_slices", "What the STN does to slices", "summary volumes", _normalised),
    ("stn_volumes", "What the STN does to volumes", "summary volumes",
     _normalises_volumes),
    ("stn_mean_image", "Mean image before and after the STN", "summary volumes",
     _normalised),
    ("stress_curves", "Dice under stress", "stress", _stressed),
    ("stn_recovery", "Size, pose and position against the reference", "diagnostics",
     _normalised),
    ("stn_spread", "Spread of single slices", "diagnostics", _estimates_slices),
    ("stn_bounds", "Bounds, fallbacks and gradients", "summary diagnostics curves",
     _front_end),
    ("crop_coverage", "Kidney and tumour inside the crop", "diagnostics", _cropped),
    ("dice_by_size", "Dice against the patient's size", "summary diagnostics",
     _always),
    ("overlays", "Best, median and worst case", "summary volumes", _always),
)  # fmt: skip

CATALOGUE: dict[str, Entry] = {
    name: Entry(name, title, frozenset(needs.split()), shown)
    for name, title, needs, shown in _ROWS
}
"""All figures by name, in the order in which they are shown."""
