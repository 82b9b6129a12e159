"""training.csv: the curve of a run, one row per epoch."""

from collections.abc import Iterable

DICE = "val_dice_"
"""Start of the columns of the validation slices' Dice; the label's title follows."""


def training_columns(titles: Iterable[str]) -> tuple[str, ...]:
    """Columns of training.csv.

    Args:
        titles: Of the cohort's labels, without the background.
    """
    return (
        *("epoch", "learning_rate", "train_loss", "val_loss"),
        *(f"{DICE}{title}" for title in titles),
        *("seconds", "data_wait_seconds", "segment", "localiser_gradient"),
    )
