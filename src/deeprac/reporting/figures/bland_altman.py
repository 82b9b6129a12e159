"""Agreement of predicted and reference tumour volume (Bland and Altman)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator
from scipy import stats

from deeprac.evaluation.statistics.estimates import CONFIDENCE
from deeprac.labels import Label
from deeprac.reporting.figures.blocks import align, blocks
from deeprac.reporting.figures.rows import shown_experiments
from deeprac.reporting.figures.sources import Drawing, Sources, nothing_to_show
from deeprac.reporting.style import INK, MethodStyle, add_caption, legend_above

NAME = "bland_altman"
LABEL = Label.TUMOUR.title
DECADE = 10.0
"""Largest over smallest volume from which on errors are shown in percent as well."""
UNITS = {"ml": "difference_ml", "%": "difference_percent"}
INTERVAL_AT = 0.97
"""Place of the intervals as a share of the width of a panel."""
INTERVAL = {"color": INK, "linewidth": 0.9, "marker": "_", "markersize": 4, "zorder": 4}


@dataclass(frozen=True)
class Agreement:
    """Bias and limits of agreement with their 95 % intervals (low, high)."""

    n: int
    bias: float
    bias_interval: tuple[float, float]
    limits: tuple[float, float]
    lower_interval: tuple[float, float]
    upper_interval: tuple[float, float]


def make(sources: Sources) -> list[Drawing]:
    """One block per experiment: difference in ml and, over a decade, in percent."""
    config = sources.config
    styles = shown_experiments(config, lambda _: True)
    data = volume_differences(sources.summary.cases)
    data = data[data.experiment.isin(styles)]
    positive = data.reference_ml[data.reference_ml > 0]
    if positive.empty:
        text = (
            f"{sources.extent}: no reference has any {LABEL}, so no volume to compare."
        )
        return [nothing_to_show(NAME, text)]
    wide = positive.max() >= DECADE * positive.min()
    units = list(UNITS) if wide else ["ml"]
    notes = {name: _extent(data[data.experiment == name]) for name in styles}
    figure, axes = blocks(config, list(styles), panels=len(units), notes=notes)
    for (experiment, panels), style in zip(axes.items(), styles.values(), strict=True):
        mine = data[data.experiment == experiment]
        for ax, unit in zip(panels, units, strict=True):
            if wide:
                _log_axis(data.reference_ml, ax=ax)
            draw(mine.assign(difference=mine[UNITS[unit]]), style, ax=ax)
    xlabel = "Reference, ml (log)" if wide else "Reference, ml"
    align(axes, xlabel=xlabel, heights=False)
    first = next(iter(axes.values()))
    for ax, unit in zip(first, units, strict=True):
        ax.set_ylabel(f"Error, {unit}")
    legend_above(figure, _handles())
    add_caption(figure, _caption(sources.extent))
    return [Drawing(NAME, figure, with_agreement(data))]


def volume_differences(cases: pd.DataFrame) -> pd.DataFrame:
    """Predicted minus reference volume of each patient and seed.

    Args:
        cases: Columns of summary/cases.csv.

    Returns:
        Columns experiment, patient, seed, predicted_ml, reference_ml (means over the
        patient's cases), difference_ml and difference_percent of the reference (NaN
        without one).
    """
    mine = cases[cases.label == LABEL]
    keys = ["experiment", "patient", "seed"]
    volumes = mine.groupby(keys, sort=False)[
        ["volume_ml", "reference_volume_ml"]
    ].mean()
    table = volumes.reset_index().rename(
        columns={"volume_ml": "predicted_ml", "reference_volume_ml": "reference_ml"}
    )
    difference = table.predicted_ml - table.reference_ml
    present = table.reference_ml.where(table.reference_ml > 0)
    return table.assign(
        difference_ml=difference, difference_percent=100 * difference / present
    )


def agreement(data: pd.DataFrame) -> Agreement:
    """Bias and 95 % limits of agreement of one training.

    With several seeds the variance of a single difference is that of the patients'
    means and 1 - 1/m of the variance within patients, m the seeds (Bland and Altman,
    Journal of Biopharmaceutical Statistics 2007, section 3). The interval of the bias
    is by t over patients; standard error of a limit: SD times the root of
    1/n + 1.96^2 / (2 (n - 1)) (Bland and Altman, Statistical Methods in Medical
    Research 1999, section 3.3).

    Args:
        data: Columns patient, seed and difference; NaN is left out.

    Returns:
        The numbers in the unit of ``difference``; NaN but for the bias with one
        patient, all NaN without any.
    """
    by_patient = data.dropna(subset="difference").groupby("patient").difference
    means, within, seeds = by_patient.mean(), by_patient.var(), by_patient.count()
    n, nan = len(means), float("nan")
    bias = float(means.mean()) if n else nan
    if n < 2:
        none = (nan, nan)
        return Agreement(n, bias, none, none, none, none)
    within_share = (within.fillna(0) * (1 - 1 / seeds)).mean()
    sd = float(np.sqrt(means.var() + within_share))
    z = stats.norm.ppf(0.5 + CONFIDENCE / 2)
    t = stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)
    around_bias = t * float(means.std()) / np.sqrt(n)
    around_limit = t * sd * np.sqrt(1 / n + z**2 / (2 * (n - 1)))
    lower, upper = bias - z * sd, bias + z * sd
    return Agreement(
        n=n,
        bias=bias,
        bias_interval=(bias - around_bias, bias + around_bias),
        limits=(lower, upper),
        lower_interval=(lower - around_limit, lower + around_limit),
        upper_interval=(upper - around_limit, upper + around_limit),
    )


def with_agreement(data: pd.DataFrame) -> pd.DataFrame:
    """The points, each beside bias and limits of its experiment in ml and percent."""
    rows = []
    for experiment, mine in data.groupby("experiment", sort=False):
        row: dict[str, object] = {"experiment": experiment}
        for suffix in ("ml", "percent"):
            found = agreement(mine.assign(difference=mine[f"difference_{suffix}"]))
            row |= {
                f"n_{suffix}": found.n,
                f"bias_{suffix}": found.bias,
                f"bias_low_{suffix}": found.bias_interval[0],
                f"bias_high_{suffix}": found.bias_interval[1],
                f"lower_limit_{suffix}": found.limits[0],
                f"upper_limit_{suffix}": found.limits[1],
            }
        rows.append(row)
    return data.merge(pd.DataFrame(rows), on="experiment")


def draw(data: pd.DataFrame, style: MethodStyle, *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        data: Columns patient, seed, reference_ml and difference of one experiment.
        style: Its colour and marker.
        ax: Where to draw.
    """
    found = agreement(data)
    for value, interval, dash in (
        (found.bias, found.bias_interval, "-"),
        (found.limits[0], found.lower_interval, "--"),
        (found.limits[1], found.upper_interval, "--"),
    ):
        if not np.isnan(interval).any():
            ax.plot(
                [INTERVAL_AT] * 2,
                interval,
                transform=ax.get_yaxis_transform(),
                **INTERVAL,
            )
        if not np.isnan(value):
            ax.axhline(value, color=INK, linestyle=dash, linewidth=0.9, zorder=2)
    ax.axhline(0, color="0.5", linestyle=":", linewidth=0.8, zorder=1)
    ax.scatter(
        data.reference_ml, data.difference, s=7, marker=style.marker,
        color=style.colour, alpha=0.7, linewidth=0, zorder=3,
    )  # fmt: skip
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


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], color=INK, label="bias"),
        Line2D([], [], color=INK, linestyle="--", label="95 % limits of agreement"),
        Line2D([], [], label="95 % interval of each (at the right)", **INTERVAL),
        Line2D([], [], color="0.5", linestyle=":", label="no difference"),
    ]


def _caption(extent: str) -> str:
    return (
        f"{extent}, out of fold; one point per patient and seed. Predicted minus "
        "reference tumour volume against the reference, which is the truth here and "
        "not a second measurement (Krouwer 2008). Limits of agreement hold for one "
        "training: spread between patients and between seeds (Bland and Altman 2007); "
        "intervals over patients (Bland and Altman 1999). Percent are of the reference "
        "and need one. Methods with most training patients. Vertical axes differ."
    )
