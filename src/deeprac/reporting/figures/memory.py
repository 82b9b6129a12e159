"""Memory of training: what a step keeps for backward, and the measured peak."""

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
    "host": "host, resident memory of the training process above that of the lightest "
    "experiment, since interpreter and libraries are in it",
    "gpu_reserved": "GPU, reserved by PyTorch",
}
WHERE = {"host": "host", "gpu_reserved": "GPU"}


def make(summary: Summary) -> list[Drawing]:
    """Left: bytes saved for backward; right: measured peak; one bar per experiment."""
    columns = ["experiment", "method", "matrix", "memory_gib", "memory_kind"]
    data = added(summary.rows[[*columns, "step_saved_gib", "step_precision"]])
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
    draw(data.step_saved_gib, colours, ax=left)
    draw(data.added_gib, colours, ax=right)
    draw_rows(names, ax=left)
    right.grid(visible=False, axis="y")
    where = " and ".join(WHERE[kind] for kind in kinds)
    above = " above the lightest" * ("host" in kinds)
    left.set(xlabel="Saved for backward in one step, GiB", title="Counted")
    right.set(xlabel=f"Peak {where} memory{above}, GiB", title="Measured")
    numbers = {
        "runs": len(summary.runs),
        "precisions": " or ".join(data.step_precision.unique()),
        "kinds": "; ".join(KINDS[kind] for kind in kinds),
    }
    return [captioned("memory", figure, data, **numbers)]


def added(rows: pd.DataFrame) -> pd.DataFrame:
    """Add ``added_gib``: the peak, on the host above that of the lightest experiment.

    A process on the host holds interpreter, libraries and slices too, which are no
    method's; what a GPU reserves is all the training's.
    """
    host = rows.memory_kind == "host"
    above = rows.memory_gib - rows.memory_gib[host].min()
    return rows.assign(added_gib=above.where(host, rows.memory_gib))


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
