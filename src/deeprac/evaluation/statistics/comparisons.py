"""Paired comparisons of experiments that were planned beforehand.

Planned comparisons are ``statistics.comparisons`` of the configuration, written before
the runs. A comparison names two methods and is made wherever both are selected
at one matrix and one number of training patients and were trained for as many steps,
for kidney and tumour each; Holm's correction spans all of them. Tests are over patients
and seeds, so that they are on methods; beside them stands what patients alone say of
the trainings at hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from statsmodels.stats.multitest import multipletests

from deeprac.config import Config
from deeprac.evaluation.gates import of_label, unsettled
from deeprac.evaluation.statistics.estimates import NAN, Estimate, mean_intervals
from deeprac.evaluation.statistics.false_claims import false_claim_probability
from deeprac.evaluation.statistics.patients import (
    ROUNDING,
    in_order,
    seed_differences,
    seed_sd,
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
from deeprac.evaluation.statistics.two_way import two_way
from deeprac.evaluation.statistics.verdicts import NOT_RUN, REFUSED, verdict
from deeprac.labels import FOREGROUND
from deeprac.settings.methods import Experiment
from deeprac.settings.reports import NON_INFERIORITY, Comparison

METRIC = "dice"
"""What planned comparisons compare: higher is better, and the margin is in its unit."""

ESTIMATES = ("difference", "low", "high", "hodges_lehmann", "hl_low", "hl_high")
TWO_WAY = ("two_way_low", "two_way_high", "two_way_p", "two_way_p_holm")
COUNTS = ("training_patients", "n", "n_undefined", "n_equal")
SEEDS = ("n_seeds", "n_seeds_left_out", "seeds_above")

PLANNED_COLUMNS = (
    *("method", "reference_method", "test", "matrix", "training_patients"),
    *("experiment", "reference", "label", "metric"),
    *("n", "n_undefined", "n_equal", *SEEDS, "margin", *TWO_WAY),
    *(*ESTIMATES, "wilcoxon_p", "rank_biserial", "p_false"),
    *("seed_sd", "sd_patients", "sd_seeds", "sd_rest"),
    *("two_way_detectable", "two_way_needed", "verdict", "reason"),
)

TRAINING = ["experiment", "seed", "fold"]


@dataclass(frozen=True)
class Meeting:
    """Two experiments and a label on which a planned comparison is made."""

    comparison: Comparison
    experiment: Experiment
    reference: Experiment
    label: str

    @property
    def margin(self) -> bool:
        """Whether a loss below the margin still counts as the same quality."""
        return self.comparison.test == NON_INFERIORITY


def planned(
    config: Config,
    cases: pd.DataFrame,
    runs: pd.DataFrame,
    not_learned: pd.DataFrame | None = None,
    not_converged: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The planned comparisons with their tests and verdicts.

    Args:
        config: The configuration of the cohort.
        cases: Columns of summary/cases.csv in the wanted convention of empty labels,
            rows in any order.
        runs: Columns of summary/runs.csv.
        not_learned: Columns experiment, seed, fold and label, a row per training and
            label that it did not learn; None where nothing is recorded.
        not_converged: Columns experiment, label and reason, a row per experiment and
            label that a longer training still changes; None where none is known.

    Returns:
        One row per comparison, pair of experiments and label, in the order of the
        configuration, columns ``PLANNED_COLUMNS`` (explained in ``config/README.md``).
        A comparison whose methods meet nowhere has one row with the verdict ``not run``
        and the reason, or ``refused`` where they meet after different numbers of steps
        only. Dice as shares in 0..1.
    """
    cases, steps = in_order(cases), training_steps(runs)
    pairs = {c: _pairs(config, c) for c in config.statistics.comparisons}
    meetings = [
        Meeting(comparison, *pair, label.title)
        for comparison, found in pairs.items()
        for pair in found
        if len({steps[one.name] for one in pair}) == 1
        for label in FOREGROUND
    ]
    of_label = dict(list(cases.groupby("label")))
    tables = [
        seed_differences(of_label[m.label], m.experiment.name, m.reference.name)
        for m in meetings
    ]
    means = mean_intervals([table.mean(axis=1).round(ROUNDING) for table in tables])
    rows = [
        _row(config, meeting, values, mean)
        for meeting, values, mean in zip(meetings, tables, means, strict=True)
    ]
    met = {meeting.comparison for meeting in meetings}
    rows += [
        {**_planned(comparison), **_absence(config, comparison, found, steps)}
        for comparison, found in pairs.items()
        if comparison not in met
    ]
    table = pd.DataFrame(rows, columns=list(PLANNED_COLUMNS))
    table["n_undefined"] = cases.patient.nunique() - table.n
    table["n_seeds_left_out"] = cases.seed.nunique() - table.n_seeds
    table = table.astype(dict.fromkeys((*COUNTS, *SEEDS), "Int64"))
    table["two_way_p_holm"] = holm(table.two_way_p.astype(float))
    return _with_verdicts(table, runs, not_learned, not_converged)


def training_steps(runs: pd.DataFrame) -> dict[str, str]:
    """Optimiser steps of the trainings of each experiment, in words.

    Args:
        runs: Columns experiment, epochs and iterations_per_epoch.
    """
    steps = (runs.epochs * runs.iterations_per_epoch).groupby(runs.experiment)
    return {
        str(name): f"{' or '.join(f'{n:g}' for n in sorted(set(own)))} steps"
        for name, own in steps
    }


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


def _pairs(
    config: Config, comparison: Comparison
) -> list[tuple[Experiment, Experiment]]:
    """Where both methods are selected on the same matrix and training patients."""
    selected = [config.experiments[name] for name in config.run.experiments]
    return [
        (experiment, reference)
        for experiment in selected
        for reference in selected
        if experiment.method == comparison.method
        and reference.method == comparison.reference
        and experiment.matrix == reference.matrix
        and experiment.training_patients == reference.training_patients
    ]


def _absence(
    config: Config,
    comparison: Comparison,
    pairs: list[tuple[Experiment, Experiment]],
    steps: Mapping[str, str],
) -> dict[str, str]:
    selected = {config.experiments[name].method for name in config.run.experiments}
    compared = (comparison.method, comparison.reference)
    if pairs:
        trained = [f"{one.name} {steps[one.name]}" for one in pairs[0]]
        reason = f"trained for different numbers of steps: {', '.join(trained)}"
        return {"verdict": REFUSED, "reason": reason}
    reason = "no matrix and number of training patients is selected for both"
    if missing := [name for name in compared if name not in selected]:
        reason = f"no selected experiment has the method {' or '.join(missing)}"
    return {"verdict": NOT_RUN, "reason": reason}


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
    config: Config, meeting: Meeting, table: pd.DataFrame, mean: Estimate
) -> dict[str, object]:
    values = table.mean(axis=1).to_numpy(float).round(ROUNDING)
    found = two_way(table)
    margin = config.statistics.margin if meeting.margin else 0.0
    # What already lies beyond the margin no number of patients can show.
    to_show = max(0.0, mean.value + margin) if meeting.margin else mean.value
    sd = np.std(values, ddof=1) if len(values) > 1 else NAN
    components, counts = found.components, (found.patients, found.seeds)
    return {
        **_planned(meeting.comparison),
        "matrix": meeting.experiment.matrix,
        "training_patients": meeting.experiment.training_patients,
        "experiment": meeting.experiment.name,
        "reference": meeting.reference.name,
        "label": meeting.label,
        **estimates_of(values, mean),
        "n_equal": int(np.sum(values == 0)),
        "n_seeds": found.seeds,
        "seeds_above": int((table.mean() > -margin).sum()),
        "margin": margin if meeting.margin else NAN,
        "two_way_low": found.interval.low,
        "two_way_high": found.interval.high,
        "two_way_p": float(found.p(-margin)),
        "wilcoxon_p": signed_rank_p((values + margin).round(ROUNDING)),
        "rank_biserial": rank_biserial(values),
        "p_false": NAN if meeting.margin else _p_false(mean, sd),
        "seed_sd": seed_sd(table),
        "sd_patients": np.sqrt(components.patients),
        "sd_seeds": np.sqrt(components.seeds) if found.seeds > 1 else NAN,
        "sd_rest": np.sqrt(components.rest) if found.seeds > 1 else NAN,
        "two_way_detectable": detectable_difference(components, *counts),
        "two_way_needed": patients_needed(to_show, components, found.seeds),
    }


def _p_false(mean: Estimate, sd: float) -> float:
    return float(false_claim_probability(mean.value, sd, mean.n))


def _with_verdicts(
    table: pd.DataFrame,
    runs: pd.DataFrame,
    not_learned: pd.DataFrame | None,
    not_converged: pd.DataFrame | None,
) -> pd.DataFrame:
    found = []
    for _, row in table.iterrows():
        mine = _of_sides(not_learned, row)
        keys = mine[TRAINING].drop_duplicates() if len(mine) else mine
        failed = [f"{e} seed {s} fold {f}" for e, s, f in keys.itertuples(index=False)]
        open_ = unsettled(_of_sides(not_converged, row))
        trainings = int(runs.experiment.isin([row.experiment, row.reference]).sum())
        made = isinstance(row.experiment, str)
        known = (row.verdict, row.reason)
        found.append(verdict(row, failed, trainings, open_) if made else known)
    names = ["verdict", "reason"]
    table[names] = pd.DataFrame(found, columns=names, index=table.index, dtype=object)
    return table


def _of_sides(gate: pd.DataFrame | None, row: pd.Series) -> pd.DataFrame:
    """What a gate says of the two experiments of a comparison and its label."""
    if gate is None:
        return pd.DataFrame()
    sides = gate.experiment.isin([row.experiment, row.reference])
    return of_label(gate[sides], row.label)
