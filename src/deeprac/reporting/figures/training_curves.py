"""Loss and pseudo Dice per epoch of every experiment."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from deeprac.config import Config
from deeprac.front_ends import LEARNED_CROPS
from deeprac.labels import CYST, Label
from deeprac.records.training import DICE
from deeprac.reporting.figures.blocks import align, blocks
from deeprac.reporting.figures.drawing import Drawing, captioned
from deeprac.reporting.style import CONTOURS, FAINT, INK, legend_above
from deeprac.reporting.summary import Summary
from deeprac.settings.methods import Method


def _look(name: str, colour: str, dash: str) -> dict[str, str]:
    """How a column of training.csv is drawn, in matplotlib's words."""
    return {"label": name, "color": colour, "linestyle": dash}


LOSS = {
    "train_loss": _look("training loss", INK, "-"),
    "val_loss": _look("validation loss", "0.5", "--"),
}
FRONT_END = {
    "front_end_loss": _look("training loss with a front end's, right", "#CC79A7", "-.")
}
LABELS = {
    "kidney": _look("kidney", CONTOURS[Label.KIDNEY].reference, "-"),
    "kidney_left": _look("left kidney", CONTOURS[Label.KIDNEY].reference, "-"),
    "tumour": _look("tumour", CONTOURS[Label.TUMOUR].reference, "--"),
    "cyst": _look("cyst", CONTOURS[CYST].reference, "-."),
    "kidney_right": _look("right kidney", CONTOURS[Label.KIDNEY].reference, ":"),
}


def make(summary: Summary) -> list[Drawing]:
    """One block per experiment: loss above, pseudo Dice below."""
    config = summary.config
    columns = tuple(column for curves in drawn(config).values() for column in curves)
    data = in_percent(summary.training(columns, config.run.experiments))
    figure = curves_of(config, data)
    runs = summary.runs.groupby("experiment").size()
    extent = " to ".join(map(str, sorted({runs.min(), runs.max()})))
    return [captioned("training_curves", figure, data, runs=extent)]


def drawn(config: Config) -> dict[str, dict[str, dict[str, str]]]:
    """Columns of training.csv by panel, and how each is drawn."""
    labels = config.cohort.kept_labels.foreground
    dice = {f"{DICE}{title}": LABELS[title] for title in labels}
    return {"Loss": LOSS, "Pseudo Dice, %": dice}


def in_percent(curves: pd.DataFrame) -> pd.DataFrame:
    """The same curves with Dice in per cent."""
    dice = [column for column in curves if column.startswith(DICE)]
    return curves.assign(**100 * curves[dice])


def curves_of(
    config: Config, data: pd.DataFrame, notes: Mapping[str, str] | None = None
) -> Figure:
    """Draw curves, one block per experiment.

    Args:
        config: The configuration of the cohort.
        data: Columns experiment, epoch and those of ``drawn``, Dice in per cent; one
            row per run and epoch.
        notes: A line below the title of each experiment.
    """
    panels_of = drawn(config)
    phases, apart = False, []
    experiments = list(data.experiment.unique())
    figure, axes = blocks(config, experiments, panels=len(panels_of), notes=notes)
    for experiment, panels in axes.items():
        method = config.methods[config.experiments[experiment].method]
        of_experiment = losses_apart(data[data.experiment == experiment], method)
        if of_experiment.front_end_loss.notna().any():
            apart.append(draw(of_experiment, FRONT_END, ax=panels[0].twinx()))
        for ax, curves in zip(panels, panels_of.values(), strict=True):
            draw(of_experiment, curves, ax=ax)
            if len(alone := front_end_epochs(data[data.experiment == experiment])):
                ends = alone.min() - 0.5, alone.max() + 0.5
                ax.axvspan(*ends, color=FAINT, alpha=0.4, lw=0, zorder=0)
                phases = True
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        panels[-1].set(ylim=(-4, 104), yticks=(0, 50, 100))
    align(axes, xlabel="Epoch", heights=True)
    for ax in apart:
        ax.set_ylim(
            min(own.get_ylim()[0] for own in apart),
            max(own.get_ylim()[1] for own in apart),
        )
        ax.tick_params(labelsize=5, pad=1, colors=FRONT_END["front_end_loss"]["color"])
        ax.grid(visible=False)
    for panels in axes.values():
        panels[0].tick_params(left=False)  # twinx puts ticks there
    for ax, title in zip(next(iter(axes.values())), panels_of, strict=True):
        ax.set_ylabel(title)
    drawn_curves = [*panels_of.values(), *(FRONT_END,) * bool(apart)]
    looks = (look for curves in drawn_curves for look in curves.values())
    handles: list[Artist] = [Line2D([], [], **look) for look in looks]
    if phases:
        name = "front end trained alone, before the U-Net"
        handles.append(Patch(color=FAINT, alpha=0.4, lw=0, label=name))
    legend_above(figure, handles)
    return figure


def losses_apart(data: pd.DataFrame, method: Method) -> pd.DataFrame:
    """Move what holds a front end's loss out of the U-Net's curves.

    Args:
        data: Columns epoch, train_loss, val_loss and Dice of one experiment.
        method: Its method.

    Returns:
        The same with ``front_end_loss``: the training loss, where the targets of a
        learned normaliser or crop are in it, or nothing but the front end is trained.
        There train_loss is NaN; in epochs of the front end alone val_loss is, too.
    """
    learned = method.normaliser == "stn" or method.crop in ("coarse", *LEARNED_CROPS)
    learned &= method.front_end.is_supervised
    alone = data.epoch.isin(front_end_epochs(data))
    mixed = alone | learned
    return data.assign(
        front_end_loss=data.train_loss.where(mixed),
        train_loss=data.train_loss.mask(mixed),
        val_loss=data.val_loss.mask(alone),
    )


def front_end_epochs(data: pd.DataFrame) -> pd.Series:
    """Epochs in which a front end is trained alone: they have a loss but no Dice."""
    dice = [column for column in data if column.startswith(DICE)]
    alone = data[dice].isna().all(axis=1) & data.train_loss.notna()
    by_epoch = alone.groupby(data.epoch).all()
    return by_epoch.index[by_epoch].to_series()


def draw(data: pd.DataFrame, curves: dict[str, dict], *, ax: Axes) -> Axes:
    """Mean and range over runs of one experiment's curves.

    Args:
        data: Columns epoch and those of ``curves``, one row per run and epoch.
        curves: How each column is drawn.
        ax: Where to draw.
    """
    for column, look in curves.items():
        by_epoch = data.groupby("epoch")[column]
        mean, low, high = by_epoch.mean(), by_epoch.min(), by_epoch.max()
        ax.fill_between(mean.index, low, high, color=look["color"], alpha=0.2, lw=0)
        ax.plot(mean.index, mean, lw=1.1, **look)
    return ax
