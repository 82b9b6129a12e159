"""Training cases of two cohorts as one data set, from which nnU-Net's loaders draw."""

from fractions import Fraction
from typing import Any

import numpy as np

from deeprac.other_cases import OtherCases
from deeprac.training.resuming import ResumableTrainer

FINEST = 100
"""Largest denominator of a share."""


class PooledDataset:
    """A fold's training cases and those of another cohort, as nnU-Net reads them.

    For every slice of a batch nnU-Net's loaders draw one of ``identifiers``, each being
    as likely, whatever loader it is and in however many processes. So the cases of
    either cohort stand there as often as the share asks for, and within a cohort all of
    them alike.

    Args:
        own: nnU-Net's data set of this cohort.
        theirs: of the other one.
        others: its cases, with the names that they have here.
    """

    def __init__(self, own: Any, theirs: Any, others: OtherCases) -> None:
        self._places = {case: (own, case) for case in own.identifiers}
        self._places |= {others.named(c): (theirs, c) for c in theirs.identifiers}
        names = list(self._places)
        count = len(own.identifiers)
        once, more = repeats(count, len(theirs.identifiers), others.share)
        self.identifiers = np.array(
            names[:count] * once + names[count:] * more, dtype=object
        )

    def load_case(self, name: str) -> Any:
        """Return slices, labels and properties of a case as nnU-Net's data sets do."""
        dataset, case = self._places[name]
        return dataset.load_case(case)


def repeats(own: int, theirs: int, share: float) -> tuple[int, int]:
    """How often each case of two cohorts is listed for a share of the second one's.

    Args:
        own: number of cases of the first cohort.
        theirs: of the second one.
        share: of the list that is the second one's, to a hundredth.

    Returns:
        Times of each case of the first, and of the second.

    Example:
        Of 1 x 16 + 3 x 16 entries three quarters.

        >>> repeats(16, 16, 0.75)
        (1, 3)
    """
    part = Fraction(share).limit_denominator(FINEST)
    ratio = part / (1 - part) * Fraction(own, theirs)
    return ratio.denominator, ratio.numerator


class PoolingTrainer(ResumableTrainer):
    """nnU-Net's training on slices of one cohort, or of two."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.others: OtherCases | None = None
        """Cases of another cohort, from which a share of the slices comes."""

    def get_tr_and_val_datasets(self) -> tuple[Any, Any]:
        """Return nnU-Net's data sets; to that of training the other cases are added.

        Whatever else is asked of training patients, by ``do_split``, is about this
        cohort's: a crop's size is calibrated on them, and by them a training is judged.
        """
        train, held_out = super().get_tr_and_val_datasets()
        if self.others is not None:
            folder, cases = str(self.others.slices), [*self.others.cases]
            theirs = self.dataset_class(folder, cases)
            train = PooledDataset(train, theirs, self.others)
        return train, held_out
