"""nnU-Net's trainer with a schedule from the plans, a seed and measured cost.

What differs between methods is in the plans and in ``deeprac.networks``; loss,
sampling, augmentation and optimiser are nnU-Net's own.
"""

import random
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from pydoc import locate
from typing import Any

import numpy as np
import torch
from batchgenerators.dataloading.single_threaded_augmenter import (
    SingleThreadedAugmenter,
)
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from torch import Tensor

from deeprac.cohort.splits import subset
from deeprac.front_ends import front_end_of, planned_parts
from deeprac.labels import CohortLabels
from deeprac.layout import Layout
from deeprac.preprocessing.matrices import OWN_PLAN, WHOLE_SLICES
from deeprac.records.cases import read_cases
from deeprac.records.splits import read_split
from deeprac.settings.methods import SVF
from deeprac.training.batched import BatchedAugmentation
from deeprac.training.cost import GIB, TimedLoader, peak_host_bytes
from deeprac.training.cuts import with_cuts
from deeprac.training.fields import RandomFields, with_fields
from deeprac.training.nnunet import adapted
from deeprac.training.plans import configuration_name
from deeprac.training.pooled import PoolingTrainer
from deeprac.training.resident import resident_loaders
from deeprac.training.schedule import PolyLR

EXTRA_LOG = (
    "seconds",
    "data_wait_seconds",
    "segment",
    "localiser_gradient",
    "gpu_peak_allocated_gib",
    "gpu_peak_reserved_gib",
    "host_peak_gib",
)
"""What every epoch logs beside nnU-Net's own keys; kept in its checkpoints."""


class DeepracTrainer(PoolingTrainer):
    """nnU-Net's training of one fold, as the plans' ``deeprac`` section states it."""

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008  (nnU-Net's signature)
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        # nnU-Net expects {nnUNet_preprocessed}/{dataset}/{identifier}; ours keeps the
        # preprocessed slices apart from the other files of the cohort.
        base = Path(self.preprocessed_dataset_folder_base)
        identifier = self.configuration_manager.data_identifier
        self.splits_file = base / "splits_final.json"
        self.preprocessed_dataset_folder_base = str(base / "preprocessed")
        self.preprocessed_dataset_folder = str(base / "preprocessed" / identifier)
        self.case_poses_csv = base / "case_poses.csv"
        self.settings: dict[str, Any] = plans["deeprac"]
        self.labels = CohortLabels.listed(dataset_json)
        training = self.settings["training"]
        self.front_end: dict[str, Any] = self.settings["front_end"] or {}
        self.num_epochs = training["epochs"] + self.front_end_epochs
        self.num_iterations_per_epoch = training["iterations_per_epoch"]
        self.num_val_iterations_per_epoch = training["validation_iterations"]
        self.initial_lr = training["learning_rate"]
        self.weight_decay = training["weight_decay"]
        self.oversample_foreground_percent = training["oversample_foreground"]
        self.save_every = training["checkpoint_every"]
        self.segment = 0
        self.resident_bytes = 0
        self.slices_in = "files"
        self.log_also(EXTRA_LOG)

    @property
    def front_end_epochs(self) -> int:
        """Number of epochs, before those of the plans, that train a front end alone."""
        return 0

    def initialize(self) -> None:
        """Build network, optimiser and loss from the run's seed; see nnU-Net."""
        self._seed_epoch(0)
        super().initialize()
        self.prepare_steps()

    def plot_network_architecture(self) -> None:
        """Skip: nnU-Net draws it with a package that cannot be installed any more."""

    def do_split(self) -> tuple[list[str], list[str]]:
        """Return training and held-out cases of the fold.

        Raises:
            SplitError: the fold is not in ``splits_final.json``, or has too few
                training patients for the experiment.
        """
        split = read_split(Path(self.splits_file), self.fold)
        return self._training_subset(split["train"]), split["val"]

    def _training_subset(self, train: list[str]) -> list[str]:
        """Cases of the first training patients, the same in every method and seed."""
        count = self.settings["training_patients"]
        if count is None:
            return train
        cases = read_cases(Layout(self.splits_file.parent).cases_csv)
        key = f"{self.settings['experiment']}, fold {self.fold}: training_patients"
        return subset(train, cases, count=count, seed=self.fold, asked_by=key)

    @property
    def dimensions(self) -> int:
        """2, or 3 where it trains on volumes."""
        return len(self.configuration_manager.patch_size)

    @property
    def whole_matrix(self) -> bool:
        """Whether a patch is a whole slice or volume, as nnU-Net's own are not."""
        return self.configuration_manager.preprocessor_name != OWN_PLAN

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple:
        """Augment as nnU-Net does, or not at all; never mirror kidneys kept apart.

        A slice mirrored along either axis is, turned by up to half a turn as here, the
        slice of a patient whose left is right, with labels that say otherwise.
        """
        patch_size = self.configuration_manager.patch_size
        if self.settings["augment"]:
            rotation, dummy_2d, initial, mirror_axes = (
                super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
            )
            if self.labels.sides:
                mirror_axes = self.inference_allowed_mirroring_axes = None
            # nnU-Net reads larger patches to turn them; beyond a matrix there is only
            # padding, which the transforms add themselves.
            size = patch_size if self.whole_matrix else initial
            return rotation, dummy_2d, size, mirror_axes
        self.inference_allowed_mirroring_axes = None
        return None, False, patch_size, None

    def get_training_transforms(self, *args: Any, **kwargs: Any) -> BasicTransform:
        """Return what nnU-Net's loaders do to slices and volumes."""
        transforms = self.training_transforms(*args, **kwargs)
        return with_cuts(transforms, self.settings, self.dimensions)

    def training_transforms(self, *args: Any, **kwargs: Any) -> ComposeTransforms:
        """Augment as nnU-Net does, or not at all; arguments are nnU-Net's."""
        if not self.settings["augment"]:
            return self.transforms_without_augmentation(*args, **kwargs)
        transforms = adapted(
            super().training_transforms(*args, **kwargs),
            air=self.settings["normalised_air"] if self.whole_matrix else None,
            scale=self.settings["augment_scale"],
        )
        if self.settings["augment"] == SVF:
            return with_fields(transforms, RandomFields(**self.settings["augment_svf"]))
        return transforms

    def get_dataloaders(self) -> tuple[Any, Any]:
        """Keep slices in memory where they fit.

        Batches are those of nnU-Net's loader without processes; see ``resident``.
        Volumes are read by nnU-Net's own: a step has few of them.
        """
        if self.configuration_manager.preprocessor_name != WHOLE_SLICES:
            return super().get_dataloaders()
        if (loaders := resident_loaders(self)) is None:
            self.print_to_log_file("The slices do not fit into memory: they are read.")
            return super().get_dataloaders()
        slices = [loader.slices for loader in loaders]
        self.slices_in = "GPU" if slices[0].on_gpu else "main memory"
        self.resident_bytes = sum(each.nbytes for each in slices)
        size = f"{self.resident_bytes / GIB:.1f} GiB of slices"
        self.print_to_log_file(f"{size} stay in the {self.slices_in}.")
        train, held_out = (SingleThreadedAugmenter(loader, None) for loader in loaders)
        for augmenter in (train, held_out):
            next(augmenter)  # as nnU-Net does, so that the draws are the same
        return train, held_out

    def batched_augmentation(self) -> BatchedAugmentation | None:
        """Return nnU-Net's augmentation of whole batches; None without."""
        if not self.settings["augment"]:
            return None
        classes = len(self.labels.numbers)
        return BatchedAugmentation(self.slice_transforms(), classes, self.device)

    def appended(self, image_from_sample: Tensor) -> Sequence[Tensor]:
        """Return what a batch's labels end with, beside those of all levels.

        Args:
            image_from_sample: (batch, d, d + 1) by augmentation.
        """
        return ()

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLR]:
        """Build nnU-Net's SGD, or AdamW for short budgets, and its poly schedule."""
        groups = self.parameter_groups()
        if self.settings["training"]["optimiser"] == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD(
                groups,
                self.initial_lr,
                weight_decay=self.weight_decay,
                momentum=0.99,
                nesterov=True,
                # On a GPU it asks no one whether half precision overflowed.
                fused=True,
            )
        else:
            optimizer = torch.optim.AdamW(
                groups, self.initial_lr, weight_decay=self.weight_decay, fused=True
            )
        return optimizer, PolyLR(optimizer, self.num_epochs)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the optimiser's parameter groups."""
        return [{"params": list(self.network.parameters())}]

    def on_train_start(self) -> None:
        """Start or resume; see nnU-Net."""
        super().on_train_start()
        self.dataloader_train = TimedLoader(self.dataloader_train)
        self.dataloader_val = TimedLoader(self.dataloader_val)
        logged = self.logged["segment"]
        self.segment = logged[-1] + 1 if logged else 0

    def on_epoch_start(self) -> None:
        """Seed by run and epoch, so that a resumed run repeats the uninterrupted one.

        On a GPU, and with loader processes, nnU-Net is not deterministic by design.
        """
        self._seed_epoch(self.current_epoch)
        for loader in (self.dataloader_train, self.dataloader_val):
            loader.waited_seconds = 0.0
        super().on_epoch_start()

    def _seed_epoch(self, epoch: int) -> None:
        run = self.settings["seed"] * 1_000_003 + self.fold * 10_007
        seed_everything(run + epoch)

    def on_epoch_end(self) -> None:
        """Log the epoch's cost, then what nnU-Net logs."""
        cuda = self.device.type == "cuda"
        # Slices on the GPU are for speed; what training needs is the rest.
        slices = self.resident_bytes if self.slices_in == "GPU" else 0
        values = (
            self.epoch_seconds,
            self.dataloader_train.waited_seconds + self.dataloader_val.waited_seconds,
            self.segment,
            self.localiser_gradient(),
            (torch.cuda.max_memory_allocated() - slices) / GIB if cuda else None,
            (torch.cuda.max_memory_reserved() - slices) / GIB if cuda else None,
            peak_host_bytes() / GIB,
        )
        for key, value in zip(EXTRA_LOG, values, strict=True):
            self.logger.log(key, value, self.current_epoch)
        super().on_epoch_end()

    def on_train_end(self) -> None:
        """Save the final checkpoint and stop the loaders; see nnU-Net."""
        self.dataloader_train = self.dataloader_train.loader
        self.dataloader_val = self.dataloader_val.loader
        super().on_train_end()


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def build_trainer(
    plans: dict[str, Any], dataset: dict[str, Any], fold: int, device: torch.device
) -> DeepracTrainer:
    """Instantiate the trainer that the plans call for.

    Args:
        plans: content of ``plans.json``.
        dataset: content of ``dataset.json``.
        fold: number of the fold.
        device: where to train.

    Returns:
        A trainer that is not yet initialised.
    """
    trainer = locate(front_end_of(*planned_parts(plans["deeprac"])).trainer)
    # nnU-Net pops this undocumented key from the plans that it is given.
    plans = deepcopy(plans) | {"continue_training": False}
    return trainer(plans, configuration_name(plans), fold, dataset, device)
