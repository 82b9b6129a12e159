"""What a front end may know of slices, what it finds, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from deeprac.fitting import PLANE
from deeprac.geometry.similarity import compose, identity, transform_points
from deeprac.records.case_poses import CasePose

Batch = TypeVar("Batch", bound=Any)


@dataclass(frozen=True)
class Supervision:
    """What only a training, or an oracle, knows of slices; in the frame of the image.

    At inference it is called oracle input.

    Attributes:
        image_from_canonical: (batch, d, d + 1) the case's size, pose and position: the
            patient's, the same for all of its slices.
        outline: (batch, n, d) points (x, y) of the convex hull of all labelled voxels
            of the patient, seen along its axis; of volumes the same at the lowest and
            the highest level of the labels, or none where nothing crops.
    """

    image_from_canonical: Tensor
    outline: Tensor

    @classmethod
    def of(cls, poses: Sequence[CasePose], *, true_pose: bool) -> "Supervision":
        """Return what is known of cases.

        Args:
            poses: one per slice.
            true_pose: whether the true transform is taken where it is known.
        """
        transforms = [
            pose.best_known if true_pose else pose.image_from_canonical
            for pose in poses
        ]
        arrays = np.stack(transforms), np.stack([pose.outline for pose in poses])
        return cls(*(torch.from_numpy(array).float() for array in arrays))

    def __getitem__(self, part: slice) -> "Supervision":
        """Return the same of some of the slices."""
        return _part(self, part)

    def to(self, device: torch.device) -> "Supervision":
        """Return the same on a device."""
        return Supervision(
            self.image_from_canonical.to(device), self.outline.to(device)
        )

    def moved(self, moved_from_image: Tensor) -> "Supervision":
        """Return the same of slices that were turned, zoomed, shifted or mirrored.

        Args:
            moved_from_image: (batch, d, d + 1), or one for all slices.
        """
        matrix = moved_from_image.to(self.image_from_canonical)
        transforms = self.image_from_canonical
        return Supervision(
            compose(matrix.expand_as(transforms), transforms),
            transform_points(matrix, self.outline),
        )


@dataclass(frozen=True)
class Pose:
    """Size, pose and position of slices.

    Attributes:
        image_from_canonical: (batch, d, d + 1).
        valid: (batch,) bool; False where the slice shows too little body and the
            transform says nothing.
        raw: (batch, parameters) unbounded output of a learned correction, or None.
    """

    image_from_canonical: Tensor
    valid: Tensor
    raw: Tensor | None = None

    @classmethod
    def joined(cls, poses: Sequence["Pose"]) -> "Pose":
        """Join the poses of the parts of a case."""
        raw = [pose.raw for pose in poses if pose.raw is not None]
        return cls(
            torch.cat([pose.image_from_canonical for pose in poses]),
            torch.cat([pose.valid for pose in poses]),
            torch.cat(raw) if raw else None,
        )

    def halves(self) -> tuple["Pose", "Pose"]:
        """Split what was found of twice as many slices."""
        first, second = self.image_from_canonical.chunk(2)
        valid, valid_too = self.valid.chunk(2)
        raw, raw_too = (None, None) if self.raw is None else self.raw.chunk(2)
        return Pose(first, valid, raw), Pose(second, valid_too, raw_too)


@dataclass(frozen=True)
class Window:
    """The part of the canonical frame that the U-Net sees.

    Attributes:
        canonical_from_crop: (batch, d, d + 1), or None for the whole frame.
        coarse_logits: (batch, classes, *size) in the canonical frame, or None
            without coarse segmentation.
        grown: (batch,) bool, windows that are larger than calibrated, or None.
        fallback: (batch,) bool, windows where nothing was found, or None.
    """

    canonical_from_crop: Tensor | None = None
    coarse_logits: Tensor | None = None
    grown: Tensor | None = None
    fallback: Tensor | None = None

    def expanded(self, batch: int) -> "Window":
        """Return the same for every slice of a case, or of slices that stand alone."""
        entries = {field.name: getattr(self, field.name) for field in fields(self)}
        return Window(
            **{
                name: value.expand(batch, *value.shape[1:])
                for name, value in entries.items()
                if value is not None
            }
        )


@dataclass(frozen=True)
class Located:
    """Where the U-Net looks in each slice; supports slicing along the batch.

    Attributes:
        image_from_canonical: (batch, d, d + 1) size, pose and position as used.
        canonical_from_crop: (batch, d, d + 1), or None without crop.
        image_from_single: (batch, d, d + 1) what each slice alone would have said.
        fallback: (batch,) bool, slices with too little body for an estimate of their
            own.
        at_bound: (batch,) bool, slices whose learned correction is at its bound; None
            in training, where nobody asks.
        coarse_logits: (batch, classes, *size) in the canonical frame, or None without
            coarse segmentation.
        crop_grown: (batch,) bool, slices whose window is larger than calibrated; None
            where no window can grow.
        crop_fallback: (batch,) bool, slices whose window follows from nothing that was
            found; None where none is found.
    """

    image_from_canonical: Tensor
    canonical_from_crop: Tensor | None
    image_from_single: Tensor
    fallback: Tensor
    at_bound: Tensor | None = None
    coarse_logits: Tensor | None = None
    crop_grown: Tensor | None = None
    crop_fallback: Tensor | None = None

    @classmethod
    def unmoved(cls, count: int, dimensions: int = PLANE) -> "Located":
        """Return what stands for slices that the U-Net sees as they are."""
        same = identity(count, dimensions=dimensions)
        never = torch.zeros(count, dtype=torch.bool)
        return cls(same, None, same, never, never)

    @property
    def image_from_input(self) -> Tensor:
        """Size, pose and crop in one transform, (batch, d, d + 1)."""
        if self.canonical_from_crop is None:
            return self.image_from_canonical
        return compose(self.image_from_canonical, self.canonical_from_crop)

    def damped(self, share: float) -> "Located":
        """Return the same transforms, through which a share of gradients flows."""
        crop = self.canonical_from_crop
        return replace(
            self,
            image_from_canonical=_damped(self.image_from_canonical, share),
            canonical_from_crop=None if crop is None else _damped(crop, share),
        )

    def __getitem__(self, part: slice) -> "Located":
        """Return the same of some of the slices."""
        return _part(self, part)


@dataclass(frozen=True)
class Trace:
    """What a training step located, for its losses.

    Attributes:
        supervision: what the step knew.
        located: where the U-Net looked.
        raw: (batch, parameters) unbounded correction, or None.
        warped: (batch, d, d + 1) ``image_from_canonical`` found on a randomly warped
            copy of each slice, brought back to the slice's frame, or None.
        warped_valid: (batch,) bool, slices whose ``warped`` comes from a visible body;
            None without ``warped``.
    """

    supervision: Supervision
    located: Located
    raw: Tensor | None = None
    warped: Tensor | None = None
    warped_valid: Tensor | None = None


@dataclass(frozen=True)
class Output:
    """What a network answers where it is supervised.

    Attributes:
        logits: (batch, classes, *size) in the frame of the slice; with deep
            supervision a list, halving the size from level to level.
        trace: what the losses of the front end need; None while it evaluates.
    """

    logits: Tensor | list[Tensor]
    trace: Trace | None


class SliceSegmenter(Protocol):
    """What inference asks of a network: first where to look, then the answer."""

    def locate(
        self, slices: Tensor, oracle_input: Supervision | None = None
    ) -> Located:
        """Find where to look in all slices of one case.

        Args:
            slices: (n, 1, *size) normalised CT on the matrix, on any device; a volume
                is all of its case.
            oracle_input: what an oracle knows of them, (n, ...), on any device.
        """

    def segment(self, slices: Tensor, located: Located) -> Tensor | list[Tensor]:
        """Return logits (batch, classes, *size) in the frame of the slices.

        Args:
            slices: (batch, 1, *size), some or all of those that were located.
            located: of these slices.
        """


def _part(batch: Batch, part: slice) -> Batch:
    """Return the same dataclass of tensors, of some of its slices."""
    entries: dict[str, Any] = {
        field.name: getattr(batch, field.name) for field in fields(batch)
    }
    taken = {name: value[part] for name, value in entries.items() if value is not None}
    return replace(batch, **taken)


def _damped(tensor: Tensor, share: float) -> Tensor:
    if not tensor.requires_grad:
        return tensor
    return torch.lerp(tensor.detach(), tensor, share)
