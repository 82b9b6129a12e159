"""What chooses the region of interest in the canonical frame; one class per kind.

In training each slice gets a window of its own; at inference all slices of a case
share one (``together``), which no single poor slice can move far. All are called alike,
with views (batch, 1, size, size), thumbnails in the canonical frame, and where it is
known the outline (batch, n, 2) of the labels, points (x, y) in that frame. ``looks``
says which read the view and ``asks`` which read the outline: others get None.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.similarity import window
from deeprac.networks.front_end import Window
from deeprac.networks.localiser import coarse_segmenter, soft_centre

MIN_HALF_SIDE = 0.25
"""Smallest half side of a window; less can only come from faulty labels."""
JITTER = 0.05
"""Uniform error of the true box in training, as a share of its half side."""


class NoCrop(nn.Module):
    """See the whole canonical frame."""

    looks, asks = False, False

    def forward(
        self,
        view: Tensor | None,
        outline: Tensor | None = None,
        *,
        together: bool = False,
    ) -> Window:
        """Return the whole frame."""
        return Window()


class OracleCrop(nn.Module):
    """The true box of all labels of the case, square, with a margin.

    Args:
        margin: share of the half side of the box.
    """

    looks, asks = False, True

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(
        self,
        view: Tensor | None,
        outline: Tensor | None = None,
        *,
        together: bool = False,
    ) -> Window:
        """Return the box around the outline (batch, n, 2), which is the case's.

        Raises:
            ValueError: there is no outline.
        """
        if outline is None:
            raise ValueError("an oracle has to be given the outline of the labels")
        return Window(box(outline, margin=self.margin))


class LearnedCrop(nn.Module):
    """A crop that follows a coarse segmentation, which is learned.

    Args:
        settings: the configuration's ``localiser`` section.
        num_classes: background included.
        size: side of the canonical views in pixels.
    """

    looks, asks = True, False

    def __init__(
        self, settings: dict[str, Any], *, num_classes: int, size: int
    ) -> None:
        super().__init__()
        self.margin = settings["crop_margin"]
        self.coarse = coarse_segmenter(num_classes, size, settings["base_features"])

    def find(self, probability: Tensor) -> Tensor:
        """Return windows (n, 2, 3) of foreground (n, 1, size, size), 0 to 1."""
        raise NotImplementedError

    def forward(
        self, view: Tensor, outline: Tensor | None = None, *, together: bool = False
    ) -> Window:
        """Return the window of what the coarse segmentation calls foreground."""
        logits = segment_in_parts(self.coarse, view)
        found = self.find(pooled(foreground(logits), together=together))
        return Window(found.expand(len(view), 2, 3), logits)


class CoarseCrop(LearnedCrop):
    """The box of a coarse segmentation, as in a cascade of two stages.

    Trained on the true box with a little jitter, tested on the box of what the coarse
    segmentation calls foreground; no gradient reaches the box.
    """

    asks = True

    def find(self, probability: Tensor) -> Tensor:
        """Return the boxes; see ``found_box``."""
        return found_box(probability, margin=self.margin)

    def forward(
        self, view: Tensor, outline: Tensor | None = None, *, together: bool = False
    ) -> Window:
        """Return the box; of the true labels in training."""
        if not self.training or outline is None:
            return super().forward(view, together=together)
        logits = segment_in_parts(self.coarse, view)
        return Window(jittered(box(outline, margin=self.margin)), logits)


class STNCrop(LearnedCrop):
    """A window of fixed size whose centre follows a coarse segmentation, learned.

    The half side is calibrated on the training patients. The centre is a soft argmax,
    through which coverage and segmentation steer the coarse network; coverage is
    learned from the labels of each slice, the outline is not used. At inference the
    window holds all that the coarse segmentation found of the case, and grows where
    that does not fit.
    """

    def __init__(
        self, settings: dict[str, Any], *, num_classes: int, size: int
    ) -> None:
        super().__init__(settings, num_classes=num_classes, size=size)
        self.register_buffer("half_side", torch.ones(()))

    def find(self, probability: Tensor) -> Tensor:
        """Return the windows, which stay inside the frame."""
        half_side = self.half_side.float().expand(len(probability))
        centre = soft_centre(probability)
        if not self.training:
            middle, needed = extremes(probability)
            needed = needed * (1 + self.margin)
            half_side = torch.maximum(half_side, needed).clamp_max(1)
            # What is unsure may draw the centre, but not the likely out of the window.
            slack = torch.where(needed > 0, half_side - needed, 2.0).clamp_min(0)
            slack = slack[:, None]
            centre = middle + torch.clamp(centre - middle, -slack, slack)
        room = (1 - half_side)[:, None]
        centre = torch.minimum(torch.maximum(centre, -room), room)
        return window(half_side, centre)

    @torch.no_grad()
    def calibrate(self, outlines: Tensor) -> None:
        """Set the size from the training patients.

        The 97.5th percentile over patients of the half side of the box around all
        labels, plus the margin.

        Args:
            outlines: (patients, n, 2) points in the canonical frame.
        """
        low, high = outlines.amin(1), outlines.amax(1)
        needed = torch.quantile(((high - low) / 2).amax(1), 0.975)
        half_side = needed * (1 + self.margin)
        self.half_side.copy_(half_side.clamp(MIN_HALF_SIDE, 1))


CROPS: dict[str, Callable[..., nn.Module]] = {
    "none": lambda settings, **_: NoCrop(),
    "coarse": CoarseCrop,
    "stn": STNCrop,
    "oracle": lambda settings, **_: OracleCrop(settings["crop_margin"]),
}
"""Made as ``LearnedCrop`` is."""

CHUNK = 64
"""Slices that the coarse network sees at once."""


def segment_in_parts(coarse: nn.Module, view: Tensor) -> Tensor:
    """Segment (slices, 1, size, size), part by part: a case has up to a thousand."""
    return torch.cat([coarse(part) for part in view.split(CHUNK)])


def foreground(logits: Tensor) -> Tensor:
    """Probability (batch, 1, size, size) of being no background."""
    return 1 - logits.float().softmax(1)[:, :1]


def pooled(probability: Tensor, *, together: bool) -> Tensor:
    """Join the slices of one case, (slices, 1, n, n) to (1, 1, n, n).

    The mean of the two most certain slices at every pixel: an organ shows in several
    slices, a spurious spot usually in one.
    """
    if not together:
        return probability
    return probability.topk(min(2, len(probability)), dim=0).values.mean(
        0, keepdim=True
    )


def box(outline: Tensor, *, margin: float) -> Tensor:
    """Square box around points, with a margin.

    Args:
        outline: (batch, n, 2).
        margin: share of the half side.

    Returns:
        (batch, 2, 3) ``frame_from_window``.
    """
    low, high = outline.amin(1), outline.amax(1)
    half_side = ((high - low) / 2).amax(1) * (1 + margin)
    return window(half_side.clamp(MIN_HALF_SIDE, 1), (low + high) / 2)


def jittered(frame_from_window: Tensor) -> Tensor:
    """Move and resize square windows (batch, 2, 3) at random, by ``JITTER``."""
    half_side = frame_from_window[:, 0, 0]
    noise = JITTER * (2 * torch.rand(len(half_side), 3, device=half_side.device) - 1)
    centre = frame_from_window[:, :, 2] + half_side[:, None] * noise[:, 1:]
    return window(half_side * (1 + noise[:, 0]), centre)


def extremes(probability: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (batch, 2) and half side (batch,) of what is more likely than not.

    Without any such pixel the centre and the half side are 0.
    """
    points = pixel_centres(probability.shape[-2:], probability.device)
    inside = (probability.flatten(1) > 0.5)[:, :, None]
    far = 2.0
    low = torch.where(inside, points, far).amin(1)
    high = torch.where(inside, points, -far).amax(1)
    found = inside.any(1)
    centre = torch.where(found, (low + high) / 2, 0.0)
    half = torch.where(found, (high - low) / 2, 0.0) + found / probability.shape[-1]
    return centre, half.amax(1)


def found_box(probability: Tensor, *, margin: float) -> Tensor:
    """Box (batch, 2, 3) of what is more likely than not, else the whole frame."""
    centre, half_side = extremes(probability)
    half_side = torch.where(half_side > 0, half_side * (1 + margin), 1.0)
    return window(half_side.clamp(MIN_HALF_SIDE, 1), centre)
