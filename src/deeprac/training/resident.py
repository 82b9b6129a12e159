"""Batches of whole slices that stay in memory, drawn by nnU-Net's own rule.

nnU-Net reads and unpacks a case for every slice of every batch, in many processes. A
cohort of slices on their matrix fits into a GPU, or into main memory: then a batch is a
choice of indices. Without augmentation nothing else has to be done to a slice.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil
import torch
from batchgenerators.dataloading.single_threaded_augmenter import (
    SingleThreadedAugmenter,
)
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from torch import Tensor

SHARE = 0.5
"""Of the free memory that slices may fill: training needs the rest."""


class ResidentSlices:
    """All slices of cases and their labels at every level of deep supervision.

    Args:
        dataset: nnU-Net's, of preprocessed cases.
        transforms: nnU-Net's of validation, which draw nothing.
        place: device of the slices; on the CPU they are pinned if ``pinned``.
        pinned: whether a GPU can fetch them by itself.
    """

    def __init__(
        self,
        dataset: Any,
        transforms: BasicTransform,
        place: torch.device,
        *,
        pinned: bool = False,
    ) -> None:
        self.first: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.class_locations: dict[str, dict] = {}
        slices, levels, count = [], [], 0
        for case in dataset.identifiers:
            data, seg, _, properties = dataset.load_case(case)
            self.first[case] = count
            self.shapes[case] = tuple(data.shape[1:])
            self.class_locations[case] = properties["class_locations"]
            count += data.shape[1]
            image = torch.from_numpy(np.asarray(data[0])).float()
            labels = torch.from_numpy(np.asarray(seg[0]).astype(np.int16))
            # Slices as channels: the transforms treat each alike.
            ready = transforms(image=image, segmentation=labels)
            slices.append(ready["image"].to(place))
            levels.append([level.to(place) for level in ready["segmentation"]])
        self.slices = torch.cat(slices)[:, None]
        self.levels = [torch.cat(level)[:, None] for level in zip(*levels, strict=True)]
        if pinned:
            self.slices = self.slices.pin_memory()
            self.levels = [level.pin_memory() for level in self.levels]

    @property
    def nbytes(self) -> int:
        """Memory of all of them."""
        return sum(tensor.nbytes for tensor in (self.slices, *self.levels))

    def drawn(self, index: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """Return slices (batch, 1, size, size) and labels of every level."""
        chosen = torch.tensor(index)
        if self.slices.is_cuda:
            chosen = chosen.pin_memory().to(self.slices.device, non_blocking=True)
        return self.slices[chosen], [level[chosen] for level in self.levels]


def needed_bytes(dataset: Any) -> int:
    """Memory that the slices of a dataset take, from the headers of its files.

    Slices have four bytes a pixel, labels two, and all lower levels together a third of
    the first one's.
    """
    pixels = sum(
        int(np.prod(dataset.load_case(case)[0].shape)) for case in dataset.identifiers
    )
    return int(pixels * (4 + 2 * 4 / 3))


def place_for(needed: int, device: torch.device) -> torch.device | None:
    """Return where so many bytes may stay: the GPU, main memory, or nowhere."""
    if device.type == "cuda" and needed <= SHARE * torch.cuda.mem_get_info(device)[0]:
        return device
    free = psutil.virtual_memory().available
    return torch.device("cpu") if needed <= SHARE * free else None


class ResidentLoader(nnUNetDataLoader):
    """nnU-Net's loader with its own draws, of slices that are in memory.

    The same random numbers in the same order as nnU-Net's, so the same batches.

    Args:
        resident: of the dataset.
        appended: what every batch's list of labels ends with.
        *args: nnU-Net's.
        **kwargs: nnU-Net's.
    """

    def __init__(
        self,
        resident: ResidentSlices,
        appended: Sequence[Tensor],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.resident = resident
        self.appended = list(appended)

    def generate_train_batch(self) -> dict[str, Any]:
        """Return a batch as nnU-Net's loader does."""
        cases = self.get_indices()
        index = []
        for position, case in enumerate(cases):
            corner, _ = self.get_bbox(
                self.resident.shapes[case],
                self.get_do_oversample(position),
                self.resident.class_locations[case],
            )
            index.append(self.resident.first[case] + int(corner[0]))
        slices, levels = self.resident.drawn(index)
        return {"data": slices, "target": [*levels, *self.appended], "keys": cases}


def augmenter(loader: nnUNetDataLoader) -> SingleThreadedAugmenter:
    """Return what nnU-Net draws batches from; no process of its own is needed."""
    return SingleThreadedAugmenter(loader, None)
