"""Memory of training: measured peak beside what a step keeps for backward."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.config import Config
from deeprac.reporting import formats
from deeprac.reporting.figures.rows import ROW_INCHES, draw_rows, wrapped
from deeprac.reporting.figures.sources import Drawing, Sources
from deeprac.reporting.style import (
    WIDTH,
    add_caption,
    experiment_style,
    method_styles,
)

KINDS = {
    "host": "host, resident memory of the training process",
    "gpu_reserved": "GPU, reserved by PyTorch",
}
WHERE = {"host": "host", "gpu_reserved": "GPU"}


def make(sources: Sources) -> list[Drawing]:
    """Left: measured peak; right: bytes saved for backward; one bar per experiment."""
    columns = ["experiment", "method", "matrix", "memory_gib", "memory_kind"]
    data = sources.rows[[*columns, "step_saved_gib"]]
    names = _names(data, sources.config)
    colours = [method_styles(sources.config)[name].colour for name in data.method]
    figure = Figure(figsize=(WIDTH, 0.8 + ROW_INCHES * len(data)))
    left, right = figure.subplots(1, 2, sharey=True)
    draw(data.memory_gib, colours, ax=left)
    draw(data.step_saved_gib, colours, ax=right)
    draw_rows(names, ax=left)
    right.grid(visible=False, axis="y")
    where = " and ".join(WHERE[kind] for kind in data.memory_kind.unique())
    left.set(xlabel=f"Peak {where} memory of training, GiB", title="Measured")
    right.set(xlabel="Saved for backward in one step, GiB", title="Counted")
    kinds = [KINDS[kind] for kind in data.memory_kind.unique()]
    runs = len(sources.summary.runs)
    add_caption(
        figure,
        f"n = {runs} runs, mean per experiment. Measured: {'; '.join(kinds)}. Counted: "
        "tensors kept for the backward pass at the run's real sizes.",
    )
    return [Drawing("memory", figure, data)]


def draw(gib: pd.Series, colours: list, *, ax: Axes) -> Axes:
    """Horizontal bars with their numbers, from the top; unknown ones have a dash."""
    ax.barh(range(len(gib)), gib.fillna(0), height=0.7, color=colours)
    for y, value in enumerate(gib):
        ax.annotate(
            formats.amount(value), (np.nan_to_num(value), y), xytext=(3, 0),
            textcoords="offset points", va="center", fontsize=6,
        )  # fmt: skip
    ax.margins(x=0.2)
    ax.set_xlim(left=0)
    return ax


def _names(data: pd.DataFrame, config: Config) -> list[str]:
    several = data.memory_kind.nunique() > 1
    return [
        wrapped(
            f"{config.matrices[row.matrix].size}: "
            + experiment_style(config, row.experiment).label
            + (f", {WHERE[row.memory_kind]}" if several else "")
        )
        for row in data.itertuples()
    ]
