"""Which figures there are, what they read, and which a configuration draws.

Light: the rules of the workflow ask it for their outputs and inputs. What draws them is
in ``deeprac.reporting.figures.registry``; their captions are
``workflow/report/{name}.rst``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from deeprac.config import Config
from deeprac.reporting.roles import crops, curve_experiments, estimates, normalises
from deeprac.settings.methods import Method

Condition = Callable[[Config], bool]


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
    chosen: dict[str, Entry] = {}
    for entry in CATALOGUE.values():
        if not entry.shown(config) or not entry.needs <= _available(config):
            continue
        if entry.name != "overlays":
            chosen[entry.name] = entry
            continue
        rows = (config.experiments[name] for name in config.run.experiments)
        used = {row.matrix for row in rows}
        for matrix in config.matrices:
            if matrix in used:
                title = f"{entry.title}, {matrix}"
                chosen[f"{entry.name}_{matrix}"] = replace(entry, title=title)
    return chosen


def _available(config: Config) -> set[str]:
    return NEEDS - {"volumes"} if config.has_released_metrics else NEEDS


def _always(_: Config) -> bool:
    return True


def _with_method(wanted: Callable[[Method], bool]) -> Condition:
    """Whether a selected experiment has a wanted method."""

    def shown(config: Config) -> bool:
        rows = (config.experiments[name] for name in config.run.experiments)
        return any(wanted(config.methods[row.method]) for row in rows)

    return shown


def _compares(config: Config) -> bool:
    """Whether two methods meet at a matrix."""
    rows = {config.experiments[name] for name in config.run.experiments}
    pairs = {(row.matrix, row.method) for row in rows}
    return len(pairs) > len({matrix for matrix, _ in pairs})


def _stressed(config: Config) -> bool:
    return bool(config.stress.experiments)


def _has_learning_curve(config: Config) -> bool:
    return bool(curve_experiments(config))


def _entry(
    name: str, title: str, needs: str = "summary", shown: Condition = _always
) -> Entry:
    return Entry(name, title, frozenset(needs.split()), shown)


NEEDS = {"summary", "diagnostics", "stress", "curves", "volumes"}
"""Everything that a figure can need."""

_ENTRIES = (
    _entry("dice_by_method", "Dice per case by method"),
    _entry(
        "paired_differences",
        "Paired differences of Dice between methods",
        shown=_compares,
    ),
    _entry("significance", "Which methods differ significantly", shown=_compares),
    _entry("ranking", "Reliability of the ranking", shown=_compares),
    _entry("bland_altman", "Agreement of tumour volume (Bland-Altman)"),
    _entry("time_vs_dice", "Training time against Dice"),
    _entry("memory", "Memory"),
    _entry("training_curves", "Training curves", "summary curves"),
    _entry(
        "learning_curve",
        "Dice against the number of training patients",
        shown=_has_learning_curve,
    ),
    _entry(
        "stn_slices",
        "What the STN does to slices",
        "summary volumes",
        _with_method(normalises),
    ),
    _entry(
        "stn_mean_image",
        "Mean image before and after the STN",
        "summary volumes",
        _with_method(normalises),
    ),
    _entry("stress_curves", "Dice under rotation, zoom and shift", "stress", _stressed),
    _entry(
        "stn_recovery",
        "Size, pose and position against the reference",
        "diagnostics",
        _with_method(normalises),
    ),
    _entry(
        "stn_spread", "Spread of single slices", "diagnostics", _with_method(estimates)
    ),
    _entry(
        "stn_bounds",
        "Bounds, fallbacks and gradients",
        "summary diagnostics curves",
        _with_method(lambda method: method.has_front_end),
    ),
    _entry(
        "crop_coverage",
        "Kidney and tumour inside the crop",
        "diagnostics",
        _with_method(crops),
    ),
    _entry("dice_by_size", "Dice against the patient's size", "summary diagnostics"),
    _entry("overlays", "Best, median and worst case", "summary volumes"),
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
"""All figures by name, in the order in which they are shown."""
