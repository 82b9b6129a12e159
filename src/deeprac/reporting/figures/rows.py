"""Experiments as rows of a figure: which, in what order, under what name."""

import re
import textwrap
from collections.abc import Callable, Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.config import Config
from deeprac.reporting.roles import (
    crops,
    normalises,
    selected_experiments,
    training_patients,
    used_matrices,
    usual_steps,
)
from deeprac.reporting.style import (
    WIDTH,
    MethodStyle,
    experiment_style,
)
from deeprac.settings.methods import Method

CHARACTERS_PER_LINE = 34
BOUND, UNBROKEN = r"(?<=input) (?=x )|(?<= x) (?=\d)|(?<=\d) (?=patient)", "\u00a0"
"""Spaces at which a name is not broken, and what stands for them."""
FEW = 6
"""Methods whose points can lie on each other and still be told apart."""
ROW_INCHES = 0.23
"""Height of a row, with room for a name of two lines."""


def all_experiments(config: Config) -> dict[str, MethodStyle]:
    """The selected experiments in order, with their styles."""
    return {name: experiment_style(config, name) for name in config.run.experiments}


def shown_experiments(
    config: Config, wanted: Callable[[Method], bool] = lambda _: True
) -> dict[str, MethodStyle]:
    """Selected experiments with a wanted method, in order, with their styles.

    Of a method that was trained on several numbers of patients at a matrix, or for
    several numbers of steps, only the most patients and of these the usual steps, else
    the most, are shown: smaller sets are the learning curve's, other trainings the
    budget curve's.
    """
    rows, usual = selected_experiments(config), usual_steps(config)
    steps = {row.name: config.steps_of(row) for row in rows}
    trained = {
        row.name: (training_patients(row), steps[row.name] == usual, steps[row.name])
        for row in rows
    }
    most: dict[tuple[str, str], tuple[float, bool, int]] = {}
    for row in rows:
        key = row.method, row.matrix
        most[key] = max(trained[row.name], most.get(key, trained[row.name]))
    return {
        row.name: experiment_style(config, row.name)
        for row in rows
        if wanted(config.methods[row.method])
        and trained[row.name] == most[row.method, row.matrix]
    }


def few_experiments(
    config: Config, wanted: Callable[[Method], bool] = lambda _: True
) -> dict[str, MethodStyle]:
    """:func:`shown_experiments`, where many would hide each other.

    Of more than ``FEW`` those that neither crop nor add augmentation to a normaliser.
    """
    shown = shown_experiments(config, wanted)
    if len(shown) <= FEW:
        return shown
    few = shown_experiments(
        config,
        lambda m: wanted(m) and not crops(m) and not (normalises(m) and m.augment),
    )
    return few or shown


def by_matrix(
    config: Config, styles: Mapping[str, MethodStyle]
) -> dict[str, dict[str, MethodStyle]]:
    """The same experiments, grouped by the matrices that have any."""
    groups: dict[str, dict[str, MethodStyle]] = {}
    for name, style in styles.items():
        groups.setdefault(config.experiments[name].matrix, {})[name] = style
    return {name: groups[name] for name in used_matrices(config) if name in groups}


def row_names(config: Config, styles: Mapping[str, MethodStyle]) -> list[str]:
    """Names for a vertical axis of experiments, with the matrix if they differ."""
    several = len({config.experiments[name].matrix for name in styles}) > 1
    return [
        wrapped(f"{matrix_size(config, name)}: " * several + style.label)
        for name, style in styles.items()
    ]


def matrix_size(config: Config, experiment: str) -> str:
    """Size of the matrix of an experiment."""
    return config.matrices[config.experiments[experiment].matrix].size_text


def named_rows(names: list[str], *, panels: int) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side that share rows, which are named at the left."""
    figure = Figure(figsize=(WIDTH, 0.8 + ROW_INCHES * len(names)))
    axes = list(figure.subplots(1, panels, sharey=True, squeeze=False)[0])
    return figure, axes


def draw_rows(names: list[str], *, ax: Axes) -> Axes:
    """Prepare an axis with one named row per experiment, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_ylabel("")
    ax.grid(visible=False, axis="y")
    return ax


def wrapped(name: str, characters: int = CHARACTERS_PER_LINE) -> str:
    """A name on short lines; a number is not torn from what it counts."""
    bound = re.sub(BOUND, UNBROKEN, name)
    lines = textwrap.fill(bound, characters, break_on_hyphens=False)
    return lines.replace(UNBROKEN, " ")
