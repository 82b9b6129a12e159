"""Paired comparisons for figures: of what is selected, and all pairs."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from deeprac.config import Config
from deeprac.evaluation.statistics.comparisons import (
    ESTIMATES,
    estimates_of,
    holm,
    planned,
)
from deeprac.evaluation.statistics.estimates import mean_intervals
from deeprac.evaluation.statistics.patients import (
    CommonScores,
    differences,
    paired,
    seed_differences,
)
from deeprac.evaluation.statistics.power import ALPHA
from deeprac.evaluation.statistics.signed_rank import rank_biserial, signed_rank_p
from deeprac.settings.reports import SUPERIORITY, Comparison

COLUMNS = (
    *("matrix", "experiment", "reference", "label", "test", "kind", "patient", "seed"),
    *("difference_points", "low_points", "high_points", "margin_points"),
    *("interval_over", "n", "n_seeds", "two_way_p_holm", "verdict"),
)

KEYS = ["matrix", "experiment", "reference", "label", "test"]
"""What names a comparison."""

BOTH, PATIENTS = "patients and seeds", "patients of one training"
"""What an interval of a mean difference is over."""


def compared(
    config: Config,
    cases: pd.DataFrame,
    runs: pd.DataFrame,
    *gates: pd.DataFrame,
) -> tuple[pd.DataFrame, str]:
    """Comparisons whose methods are selected, and what they are.

    Where none of the planned ones is, every method is compared with the plain nnU-Net
    of its matrix.

    Args:
        config: The configuration of the cohort.
        cases: Columns of summary/cases.csv in the wanted convention of empty labels.
        runs: Columns of summary/runs.csv.
        *gates: ``not_learned`` and ``not_converged`` of ``planned``.

    Returns:
        Rows of ``deeprac.evaluation.statistics.comparisons.planned`` with experiments,
        and a sentence on where they come from.
    """
    table = planned(config, cases, runs, *gates)
    met = table.experiment.notna()
    if met.any():
        rest = table[~met]
        names = ", ".join(
            f"{r.method} against {r.reference_method}" for r in rest.itertuples()
        )
        missing = f" Not run: {names}." if names else ""
        return table[met], f"Planned comparisons (statistics.comparisons).{missing}"
    used = dict.fromkeys(config.experiments[n].method for n in config.run.experiments)
    plain = [name for name in used if config.methods[name].is_plain]
    unplanned = tuple(
        Comparison(method=name, reference=reference, test=SUPERIORITY)
        for reference in plain
        for name in used
        if name != reference
    )
    section = replace(config.statistics, comparisons=unplanned)
    table = planned(replace(config, statistics=section), cases, runs, *gates)
    return (
        table[table.experiment.notna()],
        "No planned comparison is run: every method against the plain nnU-Net of its "
        "matrix and training patients.",
    )


def with_patients(table: pd.DataFrame, scores: CommonScores) -> pd.DataFrame:
    """The comparisons in points of Dice, followed by the patients' differences.

    Args:
        table: Result of :func:`compared`.
        scores: Dice of the patients.

    Returns:
        Columns ``COLUMNS``; kind is mean or patient. A patient has no interval; that of
        a mean is over patients and seeds, with one seed over the patients alone.
    """
    both = table.two_way_low.notna()
    low, high = (
        table[f"two_way_{end}"].where(both, table[end]) for end in ("low", "high")
    )
    means = table[[*KEYS, "n", "n_seeds", "two_way_p_holm", "verdict"]].assign(
        kind="mean",
        patient="",
        difference_points=100 * table.difference,
        low_points=100 * low,
        high_points=100 * high,
        interval_over=both.map({True: BOTH, False: PATIENTS}),
        margin_points=100 * table.margin,
    )
    parts = [means]
    for row in table.itertuples():
        of_pair = scores.of(row.experiment, row.reference)
        of_label = of_pair[of_pair.label == row.label]
        both = paired(of_label, row.experiment, row.reference).reset_index()
        own = {key: getattr(row, key) for key in KEYS} | {"kind": "patient"}
        points = 100 * (both.experiment - both.reference)
        patients = both[["patient"]].assign(difference_points=points, **own)
        parts.append(patients)
    return pd.concat(
        [part.reindex(columns=list(COLUMNS)) for part in parts if len(part)],
        ignore_index=True,
    )


def with_seeds(table: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """What each seed says of each comparison, in points of Dice.

    Args:
        table: Result of :func:`compared`.
        cases: Columns of summary/cases.csv in the wanted convention of empty labels.

    Returns:
        Columns ``COLUMNS``; kind is seed. The mean of a comparison is the mean of them.
    """
    of_label = dict(list(cases.groupby("label")))
    parts = [
        pd.DataFrame({key: getattr(row, key) for key in KEYS}, index=means.index)
        .assign(kind="seed", difference_points=100 * means)
        .reset_index(names="seed")
        for row in table.itertuples()
        for means in [
            seed_differences(of_label[row.label], row.experiment, row.reference).mean()
        ]
    ]
    return pd.concat(parts).reindex(columns=list(COLUMNS))


def pairwise(scores: pd.DataFrame, experiments: Sequence[str]) -> pd.DataFrame:
    """All pairs of experiments on one label, for a map of significance.

    These comparisons were not planned: Holm's correction spans all pairs of this call.

    Args:
        scores: Columns experiment, patient and dice, one row per experiment and
            patient (of one label).
        experiments: Their names, in the order of the map.

    Returns:
        One row per unordered pair, ``reference`` before ``experiment`` in the order of
        ``experiments``: experiment, reference, n (patients with a value in both),
        difference (mean of experiment minus reference), low, high (bootstrap),
        hodges_lehmann, hl_low, hl_high, p (two-sided), p_holm, direction (1 where the
        experiment's values are higher with p_holm below 0.05, -1 where they are lower,
        else 0; mean and ranks must agree). All of it is over patients, for the
        trainings at hand.
    """
    pairs = list(combinations(experiments, 2))
    samples = [differences(scores, one, reference) for reference, one in pairs]
    found = zip(pairs, samples, mean_intervals(samples), strict=True)
    rows = [
        {"experiment": experiment, "reference": reference}
        | {**estimates_of(values, mean), "p": signed_rank_p(values)}
        for (reference, experiment), values, mean in found
    ]
    columns = ("experiment", "reference", "n", *ESTIMATES, "p")
    table = pd.DataFrame(rows, columns=list(columns))
    table["p_holm"] = holm(table.p)
    sign = np.array([np.sign(rank_biserial(values)) for values in samples])
    shown = (table.p_holm < ALPHA) & (np.sign(table.difference) == sign)
    table["direction"] = np.where(shown, sign, 0).astype(int)
    return table
