"""Agreement of predicted and reference tumour volume (Bland and Altman)."""

from collections import defaultdict

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

from deeprac.evaluation.statistics.agreement import (
    Agreement,
    agreement,
    volume_differences,
)
from deeprac.labels import Label
from deeprac.reporting.figures.blocks import align, blocks
from deeprac.reporting.figures.drawing import Drawing, captioned, nothing_to_show
from deeprac.reporting.figures.rows import shown_experiments
from deeprac.reporting.style import INK, MethodStyle, legend_above
from deeprac.reporting.summary import Summary

NAME = "bland_altman"
LABEL = Label.TUMOUR.title
DECADE = 10.0
"""Largest over smallest volume from which on errors are shown in percent as well."""
MOST_IN_BOTH = 8
"""Experiments up to which each has its own axes, in ml and in percent. More have one
panel each, of equal axes, so that they compare at a glance."""
LINEAR_PERCENT = 50
EQUAL = f"are equal, and logarithmic beyond {LINEAR_PERCENT} %"
UNITS = {"ml": "difference_ml", "%": "difference_percent"}
INTERVAL_AT = 0.97
"""Place of the intervals as a share of the width of a panel."""
INTERVAL = {"color": INK, "linewidth": 0.9, "marker": "_", "markersize": 4, "zorder": 4}


def make(summary: Summary) -> list[Drawing]:
    """One block per experiment: difference in ml and, over a decade, in percent."""
    config = summary.config
    styles = shown_experiments(config)
    cases = summary.cases[summary.cases.experiment.isin(styles)]
    data = volume_differences(cases[cases.label == LABEL])
    positive = data.reference_ml[data.reference_ml > 0]
    if positive.empty:
        why = f"no reference has any {LABEL}, so no volume to compare."
        return [nothing_to_show(NAME, f"{summary.extent}: {why}")]
    wide = positive.max() >= DECADE * positive.min()
    few = len(styles) <= MOST_IN_BOTH
    units = (list(UNITS) if few else ["%"]) if wide else ["ml"]
    notes = {name: _extent(data[data.experiment == name]) for name in styles}
    found = {
        (experiment, column): agreement(rows.assign(difference=rows[column]))
        for experiment, rows in data.groupby("experiment", sort=False)
        for column in UNITS.values()
    }
    figure, axes = blocks(config, list(styles), panels=len(units), notes=notes)
    for (experiment, panels), style in zip(axes.items(), styles.values(), strict=True):
        of_experiment = data[data.experiment == experiment]
        for ax, unit in zip(panels, units, strict=True):
            if wide:
                _log_axis(data.reference_ml, ax=ax)
            if wide and not few:
                _large_errors(ax=ax)
            shown = of_experiment.assign(difference=of_experiment[UNITS[unit]])
            draw(shown, found[experiment, UNITS[unit]], style, ax=ax)
    xlabel = "Reference, ml (log)" if wide else "Reference, ml"
    align(axes, xlabel=xlabel, heights=not few)
    first = next(iter(axes.values()))
    for ax, unit in zip(first, units, strict=True):
        ax.set_ylabel(f"Error, {unit}")
    legend_above(figure, _handles())
    data = with_agreement(data, found)
    return [
        captioned(
            NAME,
            figure,
            data,
            extent=summary.extent,
            axes="differ" if few else EQUAL,
        )
    ]


def with_agreement(
    data: pd.DataFrame, found: dict[tuple[str, str], Agreement]
) -> pd.DataFrame:
    """The points, each beside bias and limits of its experiment in ml and percent."""
    names = ("n", "bias", "bias_low", "bias_high", "lower_limit", "upper_limit")
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for (experiment, column), one in found.items():
        numbers = (one.n, one.bias, *one.bias_interval, *one.limits)
        for name, number in zip(names, numbers, strict=True):
            rows[experiment][name + column.removeprefix("difference")] = number
    return data.join(pd.DataFrame.from_dict(rows, orient="index"), on="experiment")


def draw(data: pd.DataFrame, found: Agreement, style: MethodStyle, *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        data: Columns reference_ml and difference of one experiment.
        found: Bias and limits of the difference.
        style: Its colour and marker.
        ax: Where to draw.
    """
    for value, interval, dash in (
        (found.bias, found.bias_interval, "-"),
        (found.limits[0], found.lower_interval, "--"),
        (found.limits[1], found.upper_interval, "--"),
    ):
        if not np.isnan(interval).any():
            place = ax.get_yaxis_transform()
            ax.plot([INTERVAL_AT] * 2, interval, transform=place, **INTERVAL)
        if not np.isnan(value):
            ax.axhline(value, color=INK, linestyle=dash, linewidth=0.9, zorder=2)
    ax.axhline(0, color="0.5", linestyle=":", linewidth=0.8, zorder=1)
    ax.scatter(
        data.reference_ml, data.difference, s=7, marker=style.marker,
        color=style.colour, alpha=0.7, linewidth=0, zorder=3,
    )  # fmt: skip
    if ax.get_yscale() == "linear":
        ax.yaxis.set_major_locator(MaxNLocator(3))
    ax.margins(x=0.12)
    return ax


def _extent(data: pd.DataFrame) -> str:
    """How many patients a block shows, and how many of them in percent."""
    n, n_percent = (
        rows.patient.nunique() for rows in (data, data.dropna(subset=UNITS["%"]))
    )
    return f"n = {n} patients" + f" ({n_percent} in %)" * (n_percent < n)


def _log_axis(volumes_ml: pd.Series, *, ax: Axes) -> None:
    """Logarithmic, but linear from zero to the smallest volume where some are zero."""
    if (volumes_ml > 0).all():
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 5)))
        ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.set_xscale("symlog", linthresh=volumes_ml[volumes_ml > 0].min())


def _large_errors(*, ax: Axes) -> None:
    """Linear up to an error of half the volume, logarithmic beyond it."""
    ax.set_yscale("symlog", linthresh=LINEAR_PERCENT, linscale=1.5)
    ax.set_yticks([-400, -LINEAR_PERCENT, 0, LINEAR_PERCENT, 400])
    ax.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.yaxis.set_minor_locator(NullLocator())


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], color=INK, label="bias"),
        Line2D([], [], color=INK, linestyle="--", label="95 % limits of agreement"),
        Line2D([], [], label="95 % interval of each (at the right)", **INTERVAL),
        Line2D([], [], color="0.5", linestyle=":", label="no difference"),
    ]
