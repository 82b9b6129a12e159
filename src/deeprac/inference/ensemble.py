"""All folds of a model segment a case together, and how far they agree."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from deeprac.errors import DeviceError
from deeprac.inference.agreement import FrontEndNumbers, Votes
from deeprac.inference.predictor import Predictor, answer
from deeprac.training.cost import GIB

TYPICAL_SECONDS = 2.0
"""A part that takes less is timed again: the first time is slower than all others."""

Result = TypeVar("Result")
Progress = Callable[[float], object]
"""Told which share of the work, 0 to 1, is done."""
Halved = Callable[[int], object]
"""Told how many slices are segmented together from now on."""


@dataclass(frozen=True)
class EnsemblePrediction:
    """A case segmented by several folds.

    Attributes:
        labels: (slices, height, width) uint8 on the native grid.
        slices: number of slices.
        fold_ml: ml of each foreground label by title, one number per fold.
        fold_dice: smallest Dice of two folds by title, 0 to 1; None for one fold, or
            where no fold finds the label.
        front_end: by fold.
    """

    labels: NDArray[np.uint8]
    slices: int
    fold_ml: dict[str, list[float]]
    fold_dice: dict[str, float | None]
    front_end: dict[int, FrontEndNumbers]


@dataclass(frozen=True)
class Estimate:
    """What a segmentation will cost, from a few slices of it.

    Attributes:
        seconds: of all folds and slices, without reading, measuring and writing.
        memory_gib: of the process at its peak; ``more_gib`` beyond what it has now.
        gpu_gib: of the GPU's memory; None without.
    """

    seconds: float
    memory_gib: float
    more_gib: float
    gpu_gib: float | None


class Ensemble:
    """The networks of a model's folds.

    Args:
        members: by fold; all of the same plans.
    """

    def __init__(self, members: Mapping[int, Predictor]) -> None:
        self.folds = tuple(members)
        self.members = list(members.values())

    @property
    def batch(self) -> int:
        """Slices that are segmented together, where whole slices are."""
        return self.members[0].settings["inference"]["batch_size"]

    @batch.setter
    def batch(self, slices: int) -> None:
        for member in self.members:
            member.settings["inference"]["batch_size"] = slices

    def estimate(
        self,
        image: NDArray,
        spacing: tuple[float, ...],
        halved: Halved = lambda slices: None,
    ) -> Estimate:
        """Time one part of the slices; arguments and errors as for ``predict``."""
        return self._fitting(lambda: self._estimate(image, spacing), halved)

    def predict(
        self,
        image: NDArray,
        spacing: tuple[float, ...],
        progress: Progress = lambda share: None,
        halved: Halved = lambda slices: None,
    ) -> EnsemblePrediction:
        """Segment one canonical case.

        Where the GPU's memory is too small, half as many slices are segmented together.

        Args:
            image: (slices, height, width) in the cohort's unit.
            spacing: (z, y, x) in millimetres.
            progress: told which share of the work, 0 to 1, is done.
            halved: told how many slices are segmented together from now on.

        Raises:
            DeviceError: the GPU's memory is too small even for one slice.
        """
        data, properties = self.members[0].preprocess(image, spacing)
        return self._fitting(
            lambda: self._predict(data, properties, spacing, progress), halved
        )

    def _fitting(self, compute: Callable[[], Result], halved: Halved) -> Result:
        """Compute, with half the batch as often as the GPU's memory is too small."""
        first = self.members[0]
        while True:
            try:
                return compute()
            except torch.OutOfMemoryError as error:
                if self.batch == 1 or not first.batched:
                    raise DeviceError(_out_of_memory(first.device)) from error
            # Out of the except clause, which would keep the tensors alive.
            torch.cuda.empty_cache()
            self.batch //= 2
            halved(self.batch)

    @torch.inference_mode()
    def _estimate(self, image: NDArray, spacing: tuple[float, ...]) -> Estimate:
        first = self.members[0]
        cuda = first.device.type == "cuda"
        count = min(len(image), first.parts(len(image))[0].stop)
        start = (len(image) - count) // 2
        data, properties = first.preprocess(image[start : start + count], spacing)
        if cuda:
            torch.cuda.reset_peak_memory_stats(first.device)
        times: list[float] = []
        while len(times) < 2 and sum(times) < TYPICAL_SECONDS:
            begin = time.perf_counter()
            located = first.locate(data)
            # To the CPU: a GPU's work has ended then.
            logits = first.logits(data, properties, located, slice(0, count)).cpu()
            times.append(time.perf_counter() - begin)
        # As the network sees the slices, twice while they are made, and labels; of one
        # part logits, votes and their sum; what exporting them takes.
        per_slice = data[0, 0].nbytes * 2 + image[0].size * 2
        exported = first.export_bytes(data[0, 0].numel() * len(image), image.size)
        part = 4 * logits.float().nbytes
        more_gib = (per_slice * len(image) + part + exported) / GIB
        gpu_gib = torch.cuda.max_memory_allocated(first.device) / GIB if cuda else None
        return Estimate(
            seconds=min(times) / count * len(image) * len(self.members),
            memory_gib=psutil.Process().memory_info().rss / GIB + more_gib,
            more_gib=more_gib,
            gpu_gib=gpu_gib,
        )

    @torch.inference_mode()
    def _predict(
        self,
        data: Tensor,
        properties: dict[str, Any],
        spacing: tuple[float, ...],
        progress: Progress,
    ) -> EnsemblePrediction:
        first = self.members[0]
        located = [member.locate(data) for member in self.members]
        votes = Votes(len(self.members), first.labels.foreground)
        total = len(self.members) * data.shape[1]
        done = 0

        def watch(index: int, part: slice, logits: Tensor) -> None:
            nonlocal done
            votes.add(index, logits)
            done += len(logits)
            progress(done / total)

        labels = answer(self.members, data, properties, located, watch)
        native_ml = float(np.prod(spacing)) / 1000
        fold_ml = votes.volumes_ml(native_ml * first.native_voxels(data, properties))
        return EnsemblePrediction(
            labels=labels,
            slices=len(labels),
            fold_ml=fold_ml,
            fold_dice=votes.dice(),
            front_end={
                fold: FrontEndNumbers.of(one)
                for fold, one in zip(self.folds, located, strict=True)
            },
        )


def _out_of_memory(device: torch.device) -> str:
    free, whole = (size / GIB for size in torch.cuda.mem_get_info(device))
    return (
        f"The GPU's memory is too small, even for --batch 1: {free:.1f} of {whole:.1f} "
        "GiB are free. End what else runs on the GPU, take another, or say --device "
        "cpu."
    )
