"""What a figure is, the words about it, and the parts that several figures share.

The words stand once, in ``workflow/report/{name}.rst``. The text of the file is the
caption in Snakemake's report and on the report page. Its comment stands in the picture
itself: what it is based on, with the numbers of the cohort in the places of their names
in braces.
"""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.config import Config
from deeprac.labels import FOREGROUND, Label
from deeprac.reporting.roles import used_matrices
from deeprac.reporting.style import (
    WIDTH,
    MethodStyle,
    legend_above,
    matrix_title,
    method_handles,
    method_styles,
    within_percent,
)
from deeprac.shipped import shipped

CAPTION_SIZE = 6.0
CHARACTERS_PER_INCH = 23
"""Letters of the words in a picture."""
LINE_INCHES = 1.2 * CAPTION_SIZE / 72


@dataclass(frozen=True)
class Drawing:
    """A drawn figure and the data in it."""

    name: str
    figure: Figure
    data: pd.DataFrame


def captioned(
    name: str, figure: Figure, data: pd.DataFrame, **fields: object
) -> Drawing:
    """A figure with the words that its caption has for the picture below it.

    Args:
        name: Name of the figure and of its caption.
        figure: What is drawn.
        data: What it shows.
        fields: Numbers of the cohort in these words.
    """
    _, comment = _parts(name)
    _write_below(figure, " ".join(comment.split()).format(**fields))
    return Drawing(name, figure, data)


def noted(drawing: Drawing, note: str) -> Drawing:
    """A figure with one more sentence below its words, as much higher as it needs.

    Args:
        drawing: The figure.
        note: The sentence; where it is empty nothing changes.
    """
    if note:
        figure = drawing.figure
        words = figure.get_supxlabel()
        _write_below(figure, words, note)
        lines = figure.get_supxlabel().count("\n") - words.count("\n")
        figure.set_figheight(figure.get_figheight() + lines * LINE_INCHES)
    return drawing


def _write_below(figure: Figure, *texts: str) -> None:
    width = int(figure.get_figwidth() * CHARACTERS_PER_INCH)
    wrapped = "\n".join(textwrap.fill(text, width) for text in texts if text)
    figure.supxlabel(wrapped, fontsize=CAPTION_SIZE, color="0.25", x=0.01, ha="left")


def nothing_to_show(name: str, why: str) -> Drawing:
    """A figure that says why there is nothing to draw, and has that as its data."""
    figure = Figure(figsize=(WIDTH, 0.8))
    figure.text(0.5, 0.5, textwrap.fill(why, 100), ha="center", va="center")
    return Drawing(name, figure, pd.DataFrame({"note": [why]}))


def scatter(x: Any, y: Any, style: MethodStyle, *, ax: Axes, **look: Any) -> None:
    """Points ``(x, y)`` in the colour and with the marker of a method.

    One ``y`` is the height of all points.
    """
    y = np.full(len(x), y) if np.isscalar(y) else y
    look = {"color": style.colour, "marker": style.marker, "zorder": 2} | look
    sns.scatterplot(x=x, y=y, ax=ax, **look)


def label_panels(
    config: Config,
    data: pd.DataFrame,
    draw: Callable[[pd.DataFrame, Axes], object],
    *,
    xlabel: str,
) -> Figure:
    """Dice of methods at every matrix: rows are labels, columns matrices.

    Args:
        config: The configuration of the cohort.
        data: Columns method, matrix and label.
        draw: Draws the rows of one panel.
        xlabel: Name of the horizontal axes.
    """
    matrices = [name for name in used_matrices(config) if name in set(data.matrix)]
    figure = Figure(figsize=(min(WIDTH, 1 + 3.2 * len(matrices)), 5))
    axes = figure.subplots(
        len(FOREGROUND), len(matrices), sharex="col", sharey="row", squeeze=False
    )
    for column, matrix in zip(axes.T, matrices, strict=True):
        for ax, label in zip(column, FOREGROUND, strict=True):
            draw(data[(data.matrix == matrix) & (data.label == label.title)], ax)
        column[0].set_title(matrix_title(config, matrix))
        column[-1].set_xlabel(xlabel)
    for ax, label in zip(axes[:, 0], FOREGROUND, strict=True):
        within_percent(ax)
        ax.set_ylabel(f"{dice_of(label)}, %")
    styles = method_styles(config)
    shown = [style for name, style in styles.items() if name in set(data.method)]
    legend_above(figure, method_handles(shown))
    return figure


def dice_of(label: Label) -> str:
    """Name of the axis of a label's Dice, without its unit."""
    return f"{label.title.capitalize()} Dice"


FOLDER = shipped("workflow/report")
COMMENT = "\n..\n"
"""Starts the comment, which is indented and ends the file."""


def caption(name: str) -> str:
    """The caption of a figure in reStructuredText, without its comment."""
    return _parts(name)[0]


def _parts(name: str) -> tuple[str, str]:
    text = (FOLDER / f"{name}.rst").read_text(encoding="utf-8")
    shown, comment = text.split(COMMENT)
    return shown, comment
