"""How stable a ranking of experiments is over patients, and over seeds.

After Wiesenfarth et al., Methods and insights for challenge analysis, Scientific
Reports 2021 (challengeR): patients are resampled, the experiments ranked by their means
anew each time. Beside it stand the ranks that each seed alone gives.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from deeprac.evaluation.statistics.estimates import (
    CONFIDENCE,
    NAN,
    RESAMPLES,
    SEED,
    Estimate,
)
from deeprac.evaluation.statistics.patients import ROUNDING, patient_seed_means


def bootstrap_ranks(
    scores: pd.DataFrame, *, column: str = "dice", better: str = "high"
) -> pd.DataFrame:
    """Rank experiments by their mean and say how far the ranks move.

    Args:
        scores: columns experiment, patient and ``column``, one row per experiment and
            patient (of one label).
        column: what ranks.
        better: ``high`` or ``low``: which values are better.

    Returns:
        One row per experiment in the order of ``scores``: experiment, n (patients with
        a value in every experiment: all are ranked on the same), n_left_out, mean (of
        those), rank (1 is best; equals share the better one), rank_low and rank_high
        (95 % of the resamples), and p_rank_1, p_rank_2, ..., the share of resamples
        with that rank. Without patients all numbers but n are NaN; with one, no
        interval and no share.
    """
    values = _complete(scores, column)
    ranks, resampled = _ranks(values, better)
    n, count = values.shape
    found = pd.DataFrame({"experiment": scores.experiment.unique()})
    found["n"], found["n_left_out"] = n, scores.patient.nunique() - n
    found["mean"] = values.mean(axis=0) if n else NAN
    found["rank"] = ranks
    ends = [NAN, NAN]
    if n > 1:
        tail = (1 - CONFIDENCE) / 2
        ends = np.quantile(resampled, [tail, 1 - tail], axis=0, method="inverted_cdf")
    found["rank_low"], found["rank_high"] = ends
    shares = {
        f"p_rank_{rank}": (resampled == rank).mean(axis=0) if n > 1 else NAN
        for rank in range(1, count + 1)
    }
    return found.assign(**shares)


def scheme_ranks(scores: pd.DataFrame, *, column: str = "dice") -> pd.DataFrame:
    """Rank experiments in two other ways than by their means (challengeR's schemes).

    Args:
        scores: as of :func:`bootstrap_ranks`; higher is better.
        column: what ranks.

    Returns:
        One row per experiment in the order of ``scores``: experiment, rank_median, of
        the medians over patients, and rank_of_ranks, of the mean rank over patients,
        in each of whom the experiments are ranked (equals share the mean rank). NaN
        without patients.
    """
    values = -_complete(scores, column).round(ROUNDING)
    found = pd.DataFrame({"experiment": scores.experiment.unique()})
    if not len(values):
        return found.assign(rank_median=NAN, rank_of_ranks=NAN)
    mean_ranks = stats.rankdata(values, axis=1).mean(axis=0).round(ROUNDING)
    return found.assign(
        rank_median=stats.rankdata(np.median(values, axis=0), method="min"),
        rank_of_ranks=stats.rankdata(mean_ranks, method="min"),
    )


def composite_ranks(means: pd.DataFrame) -> pd.DataFrame:
    """Rank experiments as the challenge KiTS23 ranks its teams.

    By the mean of two ranks, that of the mean Dice and that of the mean surface Dice,
    each averaged over the classes of KiTS; of equals the better tumour Dice is first.

    Args:
        means: columns experiment, dice, nsd and tumour_dice.

    Returns:
        The same rows with rank_dice, rank_nsd and rank (1 is best; equals share the
        better one).

    Example:
        >>> rows = [("a", 0.9, 0.7, 0.8), ("b", 0.8, 0.9, 0.85), ("c", 0.7, 0.6, 0.9)]
        >>> columns = ["experiment", "dice", "nsd", "tumour_dice"]
        >>> composite_ranks(pd.DataFrame(rows, columns=columns))["rank"].tolist()
        [2, 1, 3]
    """
    numbers = means[["dice", "nsd", "tumour_dice"]].round(ROUNDING)
    of_dice, of_nsd, of_tumour = (
        numbers[name].rank(method="min", ascending=False) for name in numbers
    )
    # The tumour's rank only parts equals: it is less than the half between two means.
    merged = (of_dice + of_nsd) / 2 + of_tumour / (4 * len(means) + 1)
    ranks = {
        "rank_dice": of_dice,
        "rank_nsd": of_nsd,
        "rank": merged.rank(method="min"),
    }
    return means.assign(**{name: rank.astype(int) for name, rank in ranks.items()})


def kendall_tau(
    scores: pd.DataFrame, *, column: str = "dice", better: str = "high"
) -> Estimate:
    """Kendall's tau-b of the ranking with those of resampled patients.

    Args:
        scores: as of :func:`bootstrap_ranks`.
        column: what ranks.
        better: ``high`` or ``low``.

    Returns:
        Median over the resamples and the range of 95 % of them; 1 means that another
        draw of patients ranks alike. A resample that ranks all alike has none and is
        left out. NaN with fewer than two patients or experiments, or where the ranking
        itself ranks all alike.
    """
    values = _complete(scores, column)
    n = len(values)
    ranks, resampled = _ranks(values, better)
    if n < 2:
        return Estimate(NAN, NAN, NAN, n)
    first, second = np.triu_indices(len(ranks), k=1)
    # One row per experiment, in a type for which numpy is fast and sums of signs exact.
    ranks, resampled = (
        np.ascontiguousarray(table.T, np.float32) for table in (ranks, resampled)
    )
    own = np.sign(ranks[first] - ranks[second])
    others = np.sign(resampled[first] - resampled[second])
    pairs = np.sqrt(np.count_nonzero(own) * np.count_nonzero(others, axis=0))
    if not pairs.any():
        return Estimate(NAN, NAN, NAN, n)
    taus = (own @ others)[pairs > 0] / pairs[pairs > 0]
    tail = (1 - CONFIDENCE) / 2
    low, value, high = np.quantile(taus, [tail, 0.5, 1 - tail], method="inverted_cdf")
    return Estimate(float(value), float(low), float(high), n)


def seed_ranks(cases: pd.DataFrame, column: str = "dice") -> pd.DataFrame:
    """Rank experiments by their means over patients, in each seed alone.

    Args:
        cases: columns experiment, patient, seed and ``column`` of one label.
        column: what ranks; higher is better.

    Returns:
        Ranks (1 is best; equals share the better one), a row per experiment and a
        column per seed: only seeds that all experiments have, each over the patients
        that all experiments have a value for in it.
    """
    by_seed = patient_seed_means(cases, [column], "experiment")[column]
    ranks = {}
    for seed, values in by_seed.groupby("seed"):
        wide = values.droplevel("seed").unstack("experiment")
        whole = wide.dropna()
        if wide.columns.size == cases.experiment.nunique() and len(whole):
            means = whole.mean().round(ROUNDING)
            ranks[seed] = means.rank(method="min", ascending=False)
    return pd.DataFrame(ranks, index=pd.Index(cases.experiment.unique()))


def seeds_tau(ranks: pd.DataFrame) -> Estimate:
    """Kendall's tau-b between the rankings of every two seeds.

    Args:
        ranks: result of :func:`seed_ranks`.

    Returns:
        The mean, and the smallest and the largest, with n the number of seeds; NaN with
        fewer than two seeds or experiments, or where a seed ranks all alike.
    """
    pairs = combinations(ranks.to_numpy(float).T, 2) if len(ranks) > 1 else ()
    taus = [stats.kendalltau(*pair).statistic for pair in pairs]
    if not taus or np.isnan(taus).any():
        return Estimate(NAN, NAN, NAN, ranks.shape[1])
    return Estimate(
        float(np.mean(taus)), float(min(taus)), float(max(taus)), ranks.shape[1]
    )


def _complete(scores: pd.DataFrame, column: str) -> NDArray:
    """Values (patients, experiments) of the patients that all experiments have."""
    wide = scores.pivot(index="patient", columns="experiment", values=column)
    return wide[scores.experiment.unique()].dropna().to_numpy(float)


def _ranks(values: NDArray, better: str) -> tuple[NDArray, NDArray]:
    """Ranks of the sample (experiments) and of the resamples (resamples, experiments).

    Means are rounded, or equal experiments would be ranked by the last bit.
    """
    n, count = values.shape
    if not n:
        return np.full(count, NAN), np.empty((0, count))
    values = -values if better == "high" else values
    rng = np.random.default_rng(SEED)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n
    means = np.vstack([values.mean(axis=0), weights @ values]).round(ROUNDING)
    ranks = stats.rankdata(means, method="min", axis=1)
    return ranks[0], ranks[1:]
