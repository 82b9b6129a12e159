"""Experiments as rows of a figure: which, in what order, under what name."""

import math
import re
import textwrap
from collections.abc import Callable, Mapping

from matplotlib.axes import Axes

from deeprac.config import Config
from deeprac.reporting.style import MethodStyle, experiment_style, used_matrices
from deeprac.settings.methods import Method

CHARACTERS_PER_LINE = 34
BOUND, UNBROKEN = r"(?<=input) (?=x )|(?<= x) (?=\d)|(?<=\d) (?=patient)", "\u00a0"
"""Spaces at which a name is not broken, and what stands for them."""
ROW_INCHES = 0.23
"""Height of a row, with room for a name of two lines."""


def all_experiments(config: Config) -> dict[str, MethodStyle]:
    """The selected experiments in order, with their styles."""
    return {name: experiment_style(config, name) for name in config.run.experiments}


def shown_experiments(
    config: Config, wanted: Callable[[Method], bool]
) -> dict[str, MethodStyle]:
    """Selected experiments with a wanted method, in order, with their styles.

    Of a method that was trained on several numbers of patients at a matrix, only the
    most patients are shown: smaller sets are the learning curve's.
    """
    most: dict[tuple[str, str], float] = {}
    for name in config.run.experiments:
        key = _method_at_matrix(config, name)
        most[key] = max(_patients(config, name), most.get(key, 0))
    return {
        name: experiment_style(config, name)
        for name in config.run.experiments
        if wanted(config.methods[config.experiments[name].method])
        and _patients(config, name) == most[_method_at_matrix(config, name)]
    }


def _method_at_matrix(config: Config, name: str) -> tuple[str, str]:
    return config.experiments[name].method, config.experiments[name].matrix


def _patients(config: Config, name: str) -> float:
    patients = config.experiments[name].training_patients
    return math.inf if patients is None else patients


def by_matrix(
    config: Config, styles: Mapping[str, MethodStyle]
) -> dict[str, dict[str, MethodStyle]]:
    """The same experiments, grouped by the matrices that have any."""
    groups = {
        matrix: {
            name: style
            for name, style in styles.items()
            if config.experiments[name].matrix == matrix
        }
        for matrix in used_matrices(config)
    }
    return {matrix: group for matrix, group in groups.items() if group}


def row_names(config: Config, styles: Mapping[str, MethodStyle]) -> list[str]:
    """Names for a vertical axis of experiments, with the matrix if they differ."""
    matrices = {config.experiments[name].matrix for name in styles}
    names = []
    for experiment, style in styles.items():
        size = config.matrices[config.experiments[experiment].matrix].size
        names.append(f"{size}: {style.label}" if len(matrices) > 1 else style.label)
    return [wrapped(name) for name in names]


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
