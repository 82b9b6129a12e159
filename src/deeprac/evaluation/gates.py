"""Gates: whether a training learned its labels, before anything is compared.

A network that does not find a label in the patients that it was trained on has failed;
its Dice on others says nothing of its method. Nothing is left out for that: such
trainings stay in every table, and what rests on them is not decidable.
"""

from collections.abc import Collection

import pandas as pd

LEARNED, NOT_LEARNED = "learned", "not learned"
NOT_JUDGED = "not judged"
"""No slice shows the label."""
NOT_RECORDED = "not recorded"
"""Trained by a version that kept neither Dice on training patients nor a curve."""

TRAINING = ("experiment", "seed", "fold")
"""What names a training of a cohort."""

GATE_COLUMNS = (*TRAINING, "label", "dice", "source", "verdict")

SHOWN = 5
"""Trainings that a sentence names."""


def judged(scores: pd.DataFrame, floor: float) -> pd.DataFrame:
    """Whether trainings learned their labels.

    Args:
        scores: Of :func:`deeprac.records.training_scores.training_scores`.
        floor: Dice, 0 to 1, below which a label was not learned.

    Returns:
        The same rows, columns ``GATE_COLUMNS``.
    """
    verdict = (scores.dice >= floor).map({True: LEARNED, False: NOT_LEARNED})
    verdict = verdict.mask(scores.dice.isna(), NOT_JUDGED)
    verdict = verdict.mask(scores.source == "", NOT_RECORDED)
    return scores.assign(verdict=verdict)[list(GATE_COLUMNS)]


def not_learned(gates: pd.DataFrame, *experiments: str) -> pd.DataFrame:
    """The trainings that did not learn one of their labels.

    Args:
        gates: Of :func:`judged`.
        *experiments: Whose trainings; without any, all.

    Returns:
        Columns experiment, seed, fold, label and reason, one row per training and
        label.
    """
    failed = _of(gates, experiments)
    failed = failed[failed.verdict == NOT_LEARNED]
    reasons = [
        f"{row.label} Dice {100 * row.dice:.1f} % on {row.source}"
        for row in failed.itertuples()
    ]
    failed = failed.assign(reason=reasons).reset_index(drop=True)
    return failed[[*TRAINING, "label", "reason"]]


def failures(gates: pd.DataFrame, *experiments: str) -> str:
    """Say which trainings did not learn.

    Args:
        gates: Of :func:`judged`.
        *experiments: All that a statement rests on; none: all there are.

    Returns:
        ``N of M trainings did not learn (...)`` with their experiments, seeds, folds
        and labels; empty where none of them failed.
    """
    failed = not_learned(gates, *experiments)
    if failed.empty:
        return ""
    count = _of(gates, experiments).groupby([*TRAINING]).ngroups
    named = [
        "{}, seed {}, fold {}: {}".format(*training, " and ".join(rows.label))
        for training, rows in failed.groupby([*TRAINING], sort=False)
    ]
    more = f"; {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return (
        f"{len(named)} of {count} trainings did not learn "
        f"({'; '.join(named[:SHOWN])}{more})"
    )


def unsettled(not_converged: pd.DataFrame) -> str:
    """Say which experiments have not converged; empty where there is none.

    Args:
        not_converged: Columns experiment and reason.
    """
    found = [f"{row.experiment}, {row.reason}" for row in not_converged.itertuples()]
    return f"not converged: {'; '.join(found)}" if found else ""


def of_label(rows: pd.DataFrame, label: str) -> pd.DataFrame:
    """Rows of a label: of ``kidney`` also those of the sides, where these are kept.

    Example:
        >>> rows = pd.DataFrame({"label": ["kidney_left", "cyst", "kidney"]})
        >>> list(of_label(rows, "kidney").label)
        ['kidney_left', 'kidney']
    """
    names = rows.label.astype(str)  # no rows, no type
    return rows[(names == label) | names.str.startswith(f"{label}_")]


def _of(gates: pd.DataFrame, experiments: Collection[str]) -> pd.DataFrame:
    """Rows of some experiments; of all where none is named."""
    return gates[gates.experiment.isin(experiments)] if experiments else gates
