"""Batches of whole slices that stay in memory, drawn by nnU-Net's own rule.

nnU-Net reads and unpacks a case for every slice of every batch, in many processes. A
cohort of slices on their matrix fits into a GPU, or into main memory: then a batch is a
choice of indices, and augmentation is done to all of its slices together.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from torch import Tensor

from deeprac.geometry.similarity import identity
from deeprac.memory import free_bytes
from deeprac.training.batched import BatchedAugmentation
from deeprac.training.device import sent

if TYPE_CHECKING:
    from deeprac.training.trainer import DeepracTrainer

SHARE = 0.5
"""Of the free memory that slices may fill: training needs the rest."""


class ResidentSlices:
    """All slices of cases and their labels at every level of deep supervision.

    Args:
        dataset: nnU-Net's, of preprocessed cases.
        transforms: nnU-Net's of validation, which draw nothing.
        place: where they stay.
    """

    def __init__(
        self,
        dataset: Any,
        transforms: BasicTransform,
        place: torch.device,
    ) -> None:
        self.first: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.class_locations: dict[str, dict] = {}
        cases = list(dict.fromkeys(dataset.identifiers))
        whole = sum(dataset.load_case(case)[0].shape[1] for case in cases)
        tensors: list[Tensor] = []
        count = 0
        for case in cases:
            data, seg, _, properties = dataset.load_case(case)
            self.first[case] = count
            self.shapes[case] = tuple(data.shape[1:])
            self.class_locations[case] = properties["class_locations"]
            image = torch.from_numpy(np.asarray(data[0])).float()
            labels = torch.from_numpy(np.asarray(seg[0]).astype(np.int16))
            # Slices as channels: the transforms treat each alike.
            ready = transforms(image=image, segmentation=labels)
            parts = [ready["image"], *ready["segmentation"]]
            # Each goes to its place at once: no memory holds all of them twice.
            tensors = tensors or [
                torch.empty((whole, 1, *part.shape[1:]), dtype=part.dtype, device=place)
                for part in parts
            ]
            for tensor, part in zip(tensors, parts, strict=True):
                tensor[count : count + len(part), 0] = part
            count += data.shape[1]
        self.slices, *self.levels = tensors

    @property
    def on_gpu(self) -> bool:
        """Whether a batch needs no copy to a GPU."""
        return self.slices.is_cuda

    @property
    def nbytes(self) -> int:
        """Memory of all of them."""
        return sum(tensor.nbytes for tensor in (self.slices, *self.levels))

    def drawn(self, index: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """Return slices (batch, 1, size, size) and labels of every level."""
        chosen = sent(torch.tensor(index), self.slices.device)
        return self.slices[chosen], [level[chosen] for level in self.levels]


def needed_bytes(dataset: Any) -> int:
    """Memory that the slices of a dataset take, from the headers of its files.

    Slices have four bytes a pixel, labels two, and all lower levels together a third of
    the first one's.
    """
    pixels = sum(
        int(np.prod(dataset.load_case(case)[0].shape))
        for case in dict.fromkeys(dataset.identifiers)
    )
    return int(pixels * (4 + 2 * 4 / 3))


def place_for(needed: int, device: torch.device) -> torch.device | None:
    """Return where so many bytes may stay: the GPU, main memory, or nowhere."""
    if device.type == "cuda" and needed <= SHARE * torch.cuda.mem_get_info(device)[0]:
        return device
    return torch.device("cpu") if needed <= SHARE * free_bytes() else None


class ResidentLoader(nnUNetDataLoader):
    """nnU-Net's loader with its own draws, of slices that are in memory.

    Without augmentation the same random numbers in the same order as nnU-Net's, so the
    same batches.

    Args:
        slices: of the dataset.
        augmentation: what is done to a batch; None for nothing.
        appended: what a batch's list of labels ends with, by ``image_from_sample``.
        *args: nnU-Net's.
        **kwargs: nnU-Net's.
    """

    def __init__(
        self,
        slices: ResidentSlices,
        augmentation: BatchedAugmentation | None,
        appended: Callable[[Tensor], Sequence[Tensor]],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.slices = slices
        self.augmentation = augmentation
        self.appended = appended

    def generate_train_batch(self) -> dict[str, Any]:
        """Return a batch as nnU-Net's loader does."""
        cases = self.get_indices()
        index = []
        for position, case in enumerate(cases):
            corner, _ = self.get_bbox(
                self.slices.shapes[case],
                self.get_do_oversample(position),
                self.slices.class_locations[case],
            )
            index.append(self.slices.first[case] + int(corner[0]))
        data, levels = self.slices.drawn(index)
        image_from_sample = identity(len(data))
        if self.augmentation is not None:
            data, levels, image_from_sample = self.augmentation(data, levels[0])
        target = [*levels, *self.appended(image_from_sample)]
        return {"data": data, "target": target, "keys": cases}


def resident_loaders(trainer: "DeepracTrainer") -> list[ResidentLoader] | None:
    """Return loaders of the training and the held-out cases of a fold.

    None where their slices do not fit into memory.
    """
    datasets = trainer.get_tr_and_val_datasets()
    place = place_for(sum(map(needed_bytes, datasets)), trainer.device)
    if place is None:
        return None
    patch = trainer.configuration_manager.patch_size
    transforms = trainer.labels_of_levels()
    augmentation = trainer.batched_augmentation()
    return [
        ResidentLoader(
            ResidentSlices(dataset, transforms, place),
            augment,
            appended,
            dataset,
            trainer.batch_size,
            patch,
            patch,
            trainer.label_manager,
            oversample_foreground_percent=trainer.oversample_foreground_percent,
            probabilistic_oversampling=trainer.probabilistic_oversampling,
        )
        for dataset, augment, appended in (
            (datasets[0], augmentation, trainer.appended),
            (datasets[1], None, lambda image_from_sample: ()),
        )
    ]
