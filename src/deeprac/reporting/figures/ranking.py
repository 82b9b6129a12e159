"""How reliable the ranking of the experiments is: ranks over resampled patients."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from deeprac.evaluation.statistics.estimates import RESAMPLES
from deeprac.evaluation.statistics.ranking import kendall_tau
from deeprac.reporting.figures.drawing import Drawing, captioned
from deeprac.reporting.figures.ranked import labelled, panels, rankings
from deeprac.reporting.figures.rows import draw_rows
from deeprac.reporting.style import INK, say_why_not
from deeprac.reporting.summary import Summary

BLOB_AREA = 70.0
"""Area of a blob of all resamples in square points."""
BLOB = "0.72"


def make(summary: Summary) -> list[Drawing]:
    """One panel per matrix and label, one row per experiment, the best on top."""
    found = rankings(summary)
    figure, axes = panels(found)
    tables = []
    for ax, ranking in zip(axes, found, strict=True):
        tau = kendall_tau(ranking.scores)
        agreement = f"; Kendall's tau {tau.value:.2f} [{tau.low:.2f}, {tau.high:.2f}]"
        agreement *= not np.isnan(tau.value)
        ax.set_title(f"{ranking.title}\n{ranking.extent}{agreement}", loc="left")
        taus = {"tau": tau.value, "tau_low": tau.low, "tau_high": tau.high}
        own = pd.DataFrame(taus, ranking.ranks.index)
        tables.append(pd.concat([own, ranking.ranks], axis=1))
        if ranking.n == 0:
            say_why_not("No patient has Dice in every method: no ranking.", ax=ax)
        else:
            draw(ranking.ranks, ax=ax)
            draw_rows(ranking.names, ax=ax)
    axes[-1].set_xlabel("Rank by mean Dice over patients (1: best)")
    words = {"extent": summary.extent, "resamples": RESAMPLES}
    return [captioned("ranking", figure, labelled(found, tables), **words)]


def draw(ranks: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        ranks: Rows of ``bootstrap_ranks``, the best first.
        ax: Where to draw.
    """
    shares = ranks.filter(regex=r"^p_rank_\d+$").to_numpy(float)
    y, x = np.nonzero(np.nan_to_num(shares))
    ax.scatter(
        x + 1, y, s=BLOB_AREA * shares[y, x], color=BLOB, edgecolor="0.5",
        linewidth=0.3, zorder=1,
    )  # fmt: skip
    rows = np.arange(len(ranks))
    ax.hlines(rows, ranks.rank_low, ranks.rank_high, color=INK, linewidth=0.9, zorder=2)
    ax.plot(
        ranks["rank"], rows, "D", color=INK, markersize=2.8, zorder=3, linestyle="none"
    )
    count = len(ranks)
    ax.set_xlim(0.4, count + 0.6)
    ax.set_xticks(range(1, count + 1))
    return ax
