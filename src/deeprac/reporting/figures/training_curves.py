"""Loss and pseudo Dice per epoch of every experiment."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from deeprac.evaluation.tidy import read_tidy
from deeprac.reporting.figures.sources import Drawing, Sources
from deeprac.reporting.style import (
    MethodStyle,
    add_caption,
    experiment_style,
    matrix_title,
    of_matrix,
    used_matrices,
)

CURVES = ("train_loss", "val_loss", "val_dice_kidney", "val_dice_tumour")
DICE = CURVES[2:]
PANELS = (
    ("Loss", {"train_loss": "-", "val_loss": "--"}),
    ("Pseudo Dice kidney, %", {"val_dice_kidney": "-"}),
    ("Pseudo Dice tumour, %", {"val_dice_tumour": "-"}),
)
"""Title of each row of panels, its curves and their dashes."""


def make(sources: Sources) -> list[Drawing]:
    """Rows: loss, kidney, tumour; columns: matrices."""
    config = sources.config
    data = read_curves(sources)
    matrices = used_matrices(config)
    figure = Figure(figsize=(1.5 + 4.2 * len(matrices), 8))
    axes = figure.subplots(
        len(PANELS), len(matrices), sharex="col", sharey="row", squeeze=False
    )
    shown: dict[str, MethodStyle] = {}
    for column, matrix in enumerate(matrices):
        for row, (title, dashes) in enumerate(PANELS):
            ax = axes[row, column]
            for experiment in of_matrix(config, matrix):
                style = experiment_style(config, experiment)
                shown[style.label] = style
                draw(data[data.experiment == experiment], dashes, style=style, ax=ax)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.set_xlabel("Epoch" if row == len(PANELS) - 1 else "")
            ax.set_ylabel(title if column == 0 else "")
        axes[0, column].set_title(matrix_title(config, matrix))
    _legend(figure, list(shown.values()))
    runs = len(data[["fold", "seed"]].drop_duplicates())
    add_caption(
        figure,
        f"Mean over folds and seeds, n = {runs} per experiment; band: "
        "smallest to largest. Pseudo Dice: on validation slices during training, all "
        "pixels pooled, not the Dice of cases.",
    )
    return [Drawing("training_curves", figure, data)]


def read_curves(sources: Sources) -> pd.DataFrame:
    """training.csv of all runs: experiment, fold, seed, epoch, curves; Dice in %."""
    tables = []
    for run in sources.summary.runs.itertuples():
        folder = sources.layout.run(run.experiment, run.seed, run.fold)
        table = read_tidy(
            folder / "training.csv",
            ("epoch", *CURVES),
            remedy=f"Train fold {run.fold} of {run.experiment} again.",
        )[["epoch", *CURVES]]
        keys = {"experiment": run.experiment, "fold": run.fold, "seed": run.seed}
        table[list(DICE)] *= 100
        tables.append(table.assign(**keys)[[*keys, "epoch", *CURVES]])
    return pd.concat(tables, ignore_index=True)


def draw(
    data: pd.DataFrame, dashes: dict[str, str], *, style: MethodStyle, ax: Axes
) -> Axes:
    """Mean and range over runs of one experiment's curves."""
    for column, dash in dashes.items():
        sns.lineplot(
            data=data, x="epoch", y=column, color=style.colour, linestyle=dash,
            errorbar=("pi", 100), estimator="mean", err_kws={"alpha": 0.15},
            linewidth=1.4, ax=ax,
        )  # fmt: skip
    return ax


def _legend(figure: Figure, styles: list[MethodStyle]) -> None:
    handles = [Line2D([], [], color=s.colour, label=s.label) for s in styles]
    handles += [
        Line2D([], [], color="0.3", linestyle=dash, label=label)
        for label, dash in (("training loss", "-"), ("validation loss", "--"))
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
