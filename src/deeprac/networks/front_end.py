"""What stands before a U-Net: what it may be told, and what it found."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from deeprac.geometry.similarity import compose


@dataclass(frozen=True)
class Given:
    """What only a training, or an oracle, knows of slices; in the frame of the image.

    Attributes:
        image_from_canonical: (batch, 2, 3) the case's size, pose and position: the
            patient's, the same for all of its slices.
        outline: (batch, n, 2) points (x, y) of the convex hull of all labelled voxels
            of the patient, seen along its axis.
    """

    image_from_canonical: Tensor
    outline: Tensor

    def __getitem__(self, part: slice) -> "Given":
        """Return the same of some of the slices."""
        return Given(self.image_from_canonical[part], self.outline[part])

    def to(self, device: torch.device) -> "Given":
        """Return the same on a device."""
        return Given(self.image_from_canonical.to(device), self.outline.to(device))


@dataclass(frozen=True)
class Pose:
    """Size, pose and position of slices.

    Attributes:
        image_from_canonical: (batch, 2, 3).
        believed: (batch,) bool; False where the slice shows too little body and the
            transform says nothing.
        raw: (batch, 4) unbounded output of a learned correction, or None.
    """

    image_from_canonical: Tensor
    believed: Tensor
    raw: Tensor | None = None


@dataclass(frozen=True)
class Window:
    """The part of the canonical frame that the U-Net sees.

    Attributes:
        canonical_from_crop: (batch, 2, 3); the identity without crop.
        coarse_logits: (batch, classes, size, size) in the canonical frame, or None
            without coarse segmentation.
    """

    canonical_from_crop: Tensor
    coarse_logits: Tensor | None = None


@dataclass(frozen=True)
class Located:
    """Where the U-Net looks in each slice; supports slicing along the batch.

    Attributes:
        image_from_canonical: (batch, 2, 3) size, pose and position as used.
        canonical_from_crop: (batch, 2, 3); the identity without crop.
        image_from_single: (batch, 2, 3) what each slice alone would have said.
        fallback: (batch,) bool, slices with too little body for an estimate of their
            own.
        at_bound: (batch,) bool, slices whose learned correction is at its bound.
        coarse_logits: (batch, classes, size, size) in the canonical frame, or None
            without coarse segmentation.
    """

    image_from_canonical: Tensor
    canonical_from_crop: Tensor
    image_from_single: Tensor
    fallback: Tensor
    at_bound: Tensor
    coarse_logits: Tensor | None = None

    @property
    def image_from_input(self) -> Tensor:
        """Size, pose and crop in one transform, (batch, 2, 3)."""
        return compose(self.image_from_canonical, self.canonical_from_crop)

    def __getitem__(self, part: slice) -> "Located":
        """Return the same of some of the slices."""
        entries = {field.name: getattr(self, field.name) for field in fields(self)}
        taken = {k: value[part] for k, value in entries.items() if value is not None}
        return replace(self, **taken)
