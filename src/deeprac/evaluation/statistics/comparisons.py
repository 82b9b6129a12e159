"""Paired comparisons of experiments that were planned beforehand.

Planned comparisons are ``statistics.comparisons`` of the configuration, written before
the runs. A comparison names two methods and is made wherever both are selected
at one matrix, with one number of training patients and of epochs, for kidney and tumour
each; Holm's correction spans all of them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from statsmodels.stats.multitest import multipletests

from deeprac.config import Config
from deeprac.evaluation.statistics.estimates import NAN, Estimate, mean_intervals
from deeprac.evaluation.statistics.patients import (
    ROUNDING,
    CommonScores,
    differences,
    in_order,
)
from deeprac.evaluation.statistics.power import (
    ALPHA,
    detectable_difference,
    patients_needed,
)
from deeprac.evaluation.statistics.signed_rank import (
    hodges_lehmann,
    rank_biserial,
    signed_rank_p,
)
from deeprac.labels import FOREGROUND
from deeprac.settings.methods import Experiment
from deeprac.settings.reports import NON_INFERIORITY, Comparison

METRIC = "dice"
"""What planned comparisons compare: higher is better, and the margin is in its unit."""

ESTIMATES = ("difference", "low", "high", "hodges_lehmann", "hl_low", "hl_high")
COUNTS = ("training_patients", "n", "n_undefined", "n_equal")

PLANNED_COLUMNS = (
    *("method", "reference_method", "test", "matrix", "training_patients"),
    *("experiment", "reference", "label", "metric"),
    *("n", "n_undefined", "n_equal", *ESTIMATES, "margin", "p", "p_holm"),
    *("rank_biserial", "sd_difference", "seed_sd", "detectable_difference"),
    *("patients_needed", "verdict", "reason"),
)

SUPERIOR, INFERIOR, NOT_INFERIOR = "superior", "inferior", "non-inferior"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"


@dataclass(frozen=True)
class Meeting:
    """Two experiments and a label on which a planned comparison is made."""

    comparison: Comparison
    experiment: Experiment
    reference: Experiment
    label: str


def planned(config: Config, cases: pd.DataFrame) -> pd.DataFrame:
    """The planned comparisons with their tests and verdicts.

    Args:
        config: The configuration of the cohort.
        cases: Columns of summary/cases.csv in the wanted convention of empty labels,
            rows in any order.

    Returns:
        One row per comparison, pair of experiments and label, in the order of the
        configuration, columns ``PLANNED_COLUMNS`` (explained in ``config/README.md``).
        A comparison whose methods meet nowhere has one row with the verdict ``not run``
        and the reason. Dice as shares in 0..1.
    """
    cases = in_order(cases)
    scores = CommonScores(cases)
    meetings = [m for c in config.statistics.comparisons for m in _meetings(config, c)]
    samples = [_differences(scores, meeting) for meeting in meetings]
    spreads = _seed_spreads(cases, meetings)
    rows = [
        _row(config, meeting, values, mean) | {"seed_sd": spread}
        for meeting, values, mean, spread in zip(
            meetings, samples, mean_intervals(samples), spreads, strict=True
        )
    ]
    met = {meeting.comparison for meeting in meetings}
    rows += [
        {**_planned(comparison), "reason": _absence(config, comparison)}
        for comparison in config.statistics.comparisons
        if comparison not in met
    ]
    table = pd.DataFrame(rows, columns=list(PLANNED_COLUMNS))
    table["n_undefined"] = cases.patient.nunique() - table.n
    table = table.astype(dict.fromkeys(COUNTS, "Int64"))
    one_sided = table.test == NON_INFERIORITY
    table["p_holm"] = holm(np.minimum(1, table.p.astype(float) * (1 + one_sided)))
    verdicts = [_verdict(row) for row in table.itertuples()]
    table["verdict"] = [verdict for verdict, _ in verdicts]
    table["reason"] = [reason for _, reason in verdicts]
    return table


def holm(p: ArrayLike) -> NDArray:
    """P values after Holm's step-down correction; NaN stays and does not count.

    Holm, Scandinavian Journal of Statistics 1979; computed by statsmodels.
    """
    p = np.asarray(p, float)
    tested = ~np.isnan(p)
    corrected = np.full(p.shape, NAN)
    if tested.any():
        corrected[tested] = multipletests(p[tested], alpha=ALPHA, method="holm")[1]
    return corrected


def _meetings(config: Config, comparison: Comparison) -> list[Meeting]:
    """Where both methods are selected, trained alike."""
    selected = [config.experiments[name] for name in config.run.experiments]
    return [
        Meeting(comparison, experiment, reference, label.title)
        for experiment in selected
        for reference in selected
        if experiment.method == comparison.method
        and reference.method == comparison.reference
        and experiment.matrix == reference.matrix
        and experiment.training_patients == reference.training_patients
        and config.training_of(experiment) == config.training_of(reference)
        for label in FOREGROUND
    ]


def _differences(scores: CommonScores, meeting: Meeting) -> NDArray:
    pair = meeting.experiment.name, meeting.reference.name
    both = scores.of(*pair)
    return differences(both[both.label == meeting.label], *pair)


def _absence(config: Config, comparison: Comparison) -> str:
    selected = [config.experiments[name] for name in config.run.experiments]
    compared = (comparison.method, comparison.reference)
    where = [
        {(row.matrix, row.training_patients) for row in selected if row.method == name}
        for name in compared
    ]
    if missing := [name for name, at in zip(compared, where, strict=True) if not at]:
        return f"no selected experiment has the method {' or '.join(missing)}"
    if set.intersection(*where):
        return "their numbers of epochs differ: runs of two budgets are not compared"
    return "no matrix and number of training patients is selected for both"


def _seed_spreads(cases: pd.DataFrame, meetings: list[Meeting]) -> list[float]:
    """SD over seeds (ddof 1) of the mean difference; NaN with one seed."""
    keys = ["label", "seed", "patient", "experiment"]
    by_seed = cases.groupby(keys)[METRIC].mean().unstack("experiment")
    spreads = []
    for meeting in meetings:
        dice = by_seed.loc[meeting.label]
        difference = dice[meeting.experiment.name] - dice[meeting.reference.name]
        spreads.append(float(difference.groupby("seed").mean().std(ddof=1)))
    return spreads


def _planned(comparison: Comparison) -> dict[str, str]:
    return {
        "method": comparison.method,
        "reference_method": comparison.reference,
        "test": comparison.test,
        "metric": METRIC,
    }


def estimates_of(values: NDArray, mean: Estimate) -> dict[str, float]:
    """N and ``ESTIMATES`` of the differences of the patients and their mean."""
    typical = hodges_lehmann(values)
    numbers = [end for e in (mean, typical) for end in (e.value, e.low, e.high)]
    return {"n": mean.n, **dict(zip(ESTIMATES, numbers, strict=True))}


def _row(
    config: Config, meeting: Meeting, values: NDArray, mean: Estimate
) -> dict[str, object]:
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else NAN
    if meeting.comparison.test == NON_INFERIORITY:
        margin = config.statistics.margin
        above = (values + margin).round(ROUNDING)
        p = signed_rank_p(above, alternative="greater")
        # What already lies beyond the margin no number of patients can show.
        to_show = max(0.0, mean.value + margin)
    else:
        margin, p, to_show = NAN, signed_rank_p(values), mean.value
    return {
        **_planned(meeting.comparison),
        "matrix": meeting.experiment.matrix,
        "training_patients": meeting.experiment.training_patients,
        "experiment": meeting.experiment.name,
        "reference": meeting.reference.name,
        "label": meeting.label,
        **estimates_of(values, mean),
        "n_equal": int(np.sum(values == 0)),
        "margin": margin,
        "p": p,
        "rank_biserial": rank_biserial(values),
        "sd_difference": sd,
        "detectable_difference": detectable_difference(sd, len(values)),
        "patients_needed": patients_needed(to_show, sd),
    }


def _verdict(row: Any) -> tuple[str, str]:
    """Verdict of a planned comparison in words, and why; row of ``planned``."""
    if not isinstance(row.experiment, str):
        return NOT_RUN, row.reason
    if row.n == 0:
        return NOT_RUN, "no patient has a value in both"
    if row.test == NON_INFERIORITY:
        return _non_inferiority(row)
    p = f"p after Holm {row.p_holm:.3g}"
    if not row.p_holm < ALPHA:
        return INCONCLUSIVE, f"{p}, not below {ALPHA}"
    if np.sign(row.difference) != np.sign(row.rank_biserial):
        return INCONCLUSIVE, f"{p}, but mean and ranks point in different directions"
    return (SUPERIOR if row.difference > 0 else INFERIOR), p


def _non_inferiority(row: Any) -> tuple[str, str]:
    """Non-inferior where test and interval agree: a few failures move only the mean."""
    p = f"p after Holm {row.p_holm:.3g}"
    low, high, limit = (
        f"{100 * end:+.2f} points" for end in (row.low, row.high, -row.margin)
    )
    if row.n < 2:
        return INCONCLUSIVE, "one patient has no interval"
    if row.high <= -row.margin:
        return INFERIOR, f"upper end {high}, not above {limit}"
    if not row.low > -row.margin:
        return INCONCLUSIVE, f"lower end {low}, not above {limit}"
    if not row.p_holm < ALPHA:
        return INCONCLUSIVE, f"{p}, not below {ALPHA}"
    return NOT_INFERIOR, f"lower end {low}, above {limit}; {p}"
