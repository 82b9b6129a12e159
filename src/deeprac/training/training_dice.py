"""Dice on slices of the patients whom a finished network was trained on.

Whoever has learned a class finds it at least there: a training that does not has
failed, and what it says of held-out patients says nothing of its method.
"""

from typing import Any

import numpy as np
import torch
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader

from deeprac.training.trainer import DeepracTrainer, seed_everything

SLICES = 64
"""How many there are at most, or one batch; each shows a label where its case does."""


@torch.no_grad()
def training_dice(trainer: DeepracTrainer) -> dict[str, float | None]:
    """Let a network segment slices that it was trained on, as they are, and compare.

    Whole slices on the matrix (of a planned one, patches), without augmentation and
    mirroring. They are the same in all methods and seeds: drawn with the fold's number,
    each around a pixel of one of the labels that its case has, all labels being as
    likely.

    Args:
        trainer: initialised, of a finished training. Nothing of it is counted in the
            cost of the training.

    Returns:
        Dice over all pixels together, 0 to 1, by label; None for a label that no slice
        shows.
    """
    seed_everything(trainer.fold)
    trainer.network.eval()
    batches = max(1, SLICES // trainer.batch_size)
    loader = _loader(trainer)
    found = [trainer.validation_step(next(loader)) for _ in range(batches)]
    hit, false, missed = (
        np.sum([batch[key] for batch in found], 0, dtype=float)
        for key in ("tp_hard", "fp_hard", "fn_hard")
    )
    return {
        title: float(2 * tp / (2 * tp + fp + fn)) if tp + fn else None
        for title, tp, fp, fn in zip(
            trainer.labels.foreground, hit, false, missed, strict=True
        )
    }


def _loader(trainer: DeepracTrainer) -> Any:
    """nnU-Net's own, which reads what it draws, as for validation.

    Of this cohort's training cases alone.
    """
    own, _ = trainer.do_split()
    patch = trainer.configuration_manager.patch_size
    return nnUNetDataLoader(
        trainer.dataset_class(trainer.preprocessed_dataset_folder, own),
        trainer.batch_size,
        patch,
        patch,
        trainer.label_manager,
        oversample_foreground_percent=1.0,
        transforms=trainer.labels_of_levels(),
    )
