"""Memory of training: measured peak beside what a step keeps for backward."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from deeprac.reporting import formats
from deeprac.reporting.figures.drawing import Drawing, captioned
from deeprac.reporting.figures.rows import (
    all_experiments,
    draw_rows,
    matrix_size,
    named_rows,
    wrapped,
)
from deeprac.reporting.summary import Summary

KINDS = {
    "host": "host, resident memory of the training process",
    "gpu_reserved": "GPU, reserved by PyTorch",
}
WHERE = {"host": "host", "gpu_reserved": "GPU"}


def make(summary: Summary) -> list[Drawing]:
    """Left: measured peak; right: bytes saved for backward; one bar per experiment."""
    columns = ["experiment", "method", "matrix", "memory_gib", "memory_kind"]
    data = summary.rows[[*columns, "step_saved_gib", "step_precision"]]
    kinds = list(data.memory_kind.unique())
    styles = all_experiments(summary.config)
    names = [
        wrapped(
            f"{matrix_size(summary.config, name)}: {styles[name].label}"
            + f", {WHERE[kind]}" * (len(kinds) > 1)
        )
        for name, kind in zip(data.experiment, data.memory_kind, strict=True)
    ]
    colours = [styles[name].colour for name in data.experiment]
    figure, (left, right) = named_rows(names, panels=2)
    draw(data.memory_gib, colours, ax=left)
    draw(data.step_saved_gib, colours, ax=right)
    draw_rows(names, ax=left)
    right.grid(visible=False, axis="y")
    where = " and ".join(WHERE[kind] for kind in kinds)
    left.set(xlabel=f"Peak {where} memory of training, GiB", title="Measured")
    right.set(xlabel="Saved for backward in one step, GiB", title="Counted")
    numbers = {
        "runs": len(summary.runs),
        "precisions": " or ".join(data.step_precision.unique()),
        "kinds": "; ".join(KINDS[kind] for kind in kinds),
    }
    return [captioned("memory", figure, data, **numbers)]


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
