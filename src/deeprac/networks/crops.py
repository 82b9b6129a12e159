"""What chooses the region of interest in the canonical frame; one class per kind.

In training each slice gets a window of its own; at inference all slices of a case
share one (``together``), which no single poor slice can move far. All are called alike,
with views (batch, 1, size, size), thumbnails in the canonical frame, and where it is
known the outline (batch, n, 2) of the labels, points (x, y) in that frame. ``looks``
says which read the view and ``asks`` which read the outline: others get None. A volume
is as one slice with a third axis: views (batch, 1, size, size, size), points (x, y, z).

What shape and size windows have, ``window_shape`` says.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from deeprac.fitting import SPACE
from deeprac.networks.front_end import Window
from deeprac.networks.localiser import all_but_one, coarse_segmenter, soft_centre
from deeprac.networks.window_shape import SERVED, WindowShape

JITTER = 0.05
"""Uniform error of the true box in training, as a share of its size."""
STRAY_MASS = 0.005
"""Share of the coarse foreground of a case that may lie beyond each side of its box: a
spurious spot, though not a part of an organ, whose box has a margin."""


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
    """The true box of all labels of the case, with a margin.

    Args:
        settings: the configuration's ``localiser`` section.
        extent: of the U-Net's input, see ``WindowShape``.
    """

    looks, asks = False, True

    def __init__(
        self, settings: dict[str, Any], *, extent: Sequence[float], **_: int
    ) -> None:
        super().__init__()
        self.shape = WindowShape(extent, settings["crop_margin"])

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
        low, high = outline.amin(1), outline.amax(1)
        return Window(self.shape.at(self.shape.size(low, high), (low + high) / 2))


class LearnedCrop(nn.Module):
    """A crop that follows a coarse segmentation, which is learned.

    Args:
        settings: the configuration's ``localiser`` section.
        num_classes: background included.
        size: side of the canonical views in pixels.
        extent: of the U-Net's input, see ``WindowShape``.
    """

    looks, asks = True, True

    def __init__(
        self,
        settings: dict[str, Any],
        *,
        num_classes: int,
        size: int,
        extent: Sequence[float],
    ) -> None:
        super().__init__()
        self.shape = WindowShape(extent, settings["crop_margin"])
        self.coarse = coarse_segmenter(
            num_classes, size, settings["base_features"], dimensions=len(extent)
        )

    def teach(self, probability: Tensor, outline: Tensor) -> Window:
        """Return the windows of slices in training.

        Args:
            probability: (batch, 1, size, size) of being foreground.
            outline: (batch, n, 2) points around the labels of their cases.
        """
        raise NotImplementedError

    def find(self, shown: Tensor, low: Tensor, high: Tensor, found: Tensor) -> Window:
        """Return the windows of cases, or of slices that stand alone.

        Args:
            shown: (n, 1, size, size) probability of being foreground.
            low: (n, 2) smallest x and y of what is more likely than not.
            high: (n, 2) largest.
            found: (n,) bool, whether there is any.
        """
        raise NotImplementedError

    def forward(
        self, view: Tensor, outline: Tensor | None = None, *, together: bool = False
    ) -> Window:
        """Return the window of what the coarse segmentation calls foreground."""
        logits = segment_in_parts(self.coarse, view)
        probability = foreground(logits)
        if self.training and outline is not None:
            return replace(self.teach(probability, outline), coarse_logits=logits)
        shown = pooled(probability, together=together)
        mass = probability.sum(0, keepdim=True) if together else probability
        found = self.find(shown, *extents(mass * (shown > 0.5)))
        return replace(found.expanded(len(view)), coarse_logits=logits)


class CoarseCrop(LearnedCrop):
    """The box of a coarse segmentation, as in a cascade of two stages.

    Trained on the true box with a little jitter, tested on the box of what the coarse
    segmentation calls foreground; no gradient reaches the box.
    """

    def teach(self, probability: Tensor, outline: Tensor) -> Window:
        """Return the true boxes, moved and resized at random by ``JITTER``."""
        low, high = outline.amin(1), outline.amax(1)
        size, noise = self.shape.size(low, high), jitter(len(low), 3, low.device)
        reach = size[:, None] * self.shape.sides
        centre = (low + high) / 2 + reach * noise[:, 1:]
        return Window(self.shape.at(size * (1 + noise[:, 0]), centre))

    def find(self, shown: Tensor, low: Tensor, high: Tensor, found: Tensor) -> Window:
        """Return the boxes; the whole frame without any foreground."""
        size = torch.where(found, self.shape.size(low, high), self.shape.largest)
        return Window(self.shape.at(size, (low + high) / 2), fallback=~found)


class STNCrop(LearnedCrop):
    """A window whose centre follows a coarse segmentation, learned.

    The centre is a soft argmax, through which coverage and segmentation steer the
    coarse network. The size follows one rule in training and at test: what the case
    needs, but never below the size that is calibrated on the training patients. In
    training the true box says what is needed, with jitter; at test what the coarse
    segmentation found of the case. With ``crop_size: patient`` nothing but the need
    counts, with a margin that is wider by ``JITTER``, and the calibrated size is for
    cases where nothing is found.
    """

    def __init__(self, settings: dict[str, Any], **sizes: Any) -> None:
        # Plans from before the choice existed do not name it.
        self.own_size = settings.get("crop_size", "cohort") == "patient"
        if self.own_size:
            # Windows of the cohort's size have room for errors of most boxes.
            margin = settings["crop_margin"] + JITTER
            settings = settings | {"crop_margin": margin}
        super().__init__(settings, **sizes)
        self.half_side: Tensor
        self.register_buffer("half_side", torch.ones(()))

    def teach(self, probability: Tensor, outline: Tensor) -> Window:
        """Return windows of the size that the cases need, centred slice by slice."""
        needed = self.shape.size(outline.amin(1), outline.amax(1))
        noise = jitter(len(needed), 1, needed.device)[:, 0]
        size = self.given(needed * (1 + noise))
        return Window(self.placed(size, soft_centre(probability)))

    def find(self, shown: Tensor, low: Tensor, high: Tensor, found: Tensor) -> Window:
        """Return windows that hold all that was found."""
        needed = self.shape.size(low, high)
        size = torch.where(found, self.given(needed), self.half_side)
        # What is unsure may draw the centre, but not the likely out of the window.
        reach, box = size[:, None] * self.shape.sides, (high - low) / 2
        slack = (reach - box * (1 + self.shape.margin)).clamp_min(0)
        slack = torch.where(found[:, None], slack, self.shape.largest)
        middle, centre = (low + high) / 2, soft_centre(shown)
        centre = middle + torch.clamp(centre - middle, -slack, slack)
        grown = found & (needed > self.half_side)
        return Window(self.placed(size, centre), grown=grown, fallback=~found)

    def given(self, needed: Tensor) -> Tensor:
        """Return the sizes (n,) that windows get of those that cases need."""
        return needed if self.own_size else torch.maximum(needed, self.half_side)

    def placed(self, size: Tensor, centre: Tensor) -> Tensor:
        """Return windows around centres (n, d) that stay in the frame."""
        room = (1 - size[:, None] * self.shape.sides).clamp_min(0)
        return self.shape.at(size, torch.minimum(torch.maximum(centre, -room), room))

    @torch.no_grad()
    def calibrate(self, outlines: Tensor) -> None:
        """Set the size from the training patients: what ``SERVED`` of them need.

        In space, where no pixel has to be square, the proportions as well.

        Args:
            outlines: (patients, n, d) points in the canonical frame.
        """
        low, high = outlines.amin(1), outlines.amax(1)
        if low.shape[1] == SPACE:
            self.shape.fit((high - low) / 2)
        self.half_side.copy_(torch.quantile(self.shape.size(low, high), SERVED))


CROPS: dict[str, Callable[..., nn.Module]] = {
    "none": lambda settings, **_: NoCrop(),
    "coarse": CoarseCrop,
    "stn": STNCrop,
    "stn_rectangle": STNCrop,
    "oracle": OracleCrop,
    "oracle_rectangle": OracleCrop,
}
"""Made as ``LearnedCrop`` is; rectangles come with the U-Net's input."""

CHUNK = 64
"""Slices that the coarse network sees at once."""


def segment_in_parts(coarse: nn.Module, view: Tensor) -> Tensor:
    """Segment (slices, 1, *size), part by part: a case has up to a thousand."""
    return torch.cat([coarse(part) for part in view.split(CHUNK)])


def foreground(logits: Tensor) -> Tensor:
    """Probability (batch, 1, *size) of being no background."""
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


def extents(mass: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the boxes beyond each side of which ``STRAY_MASS`` of a map lies at most.

    Args:
        mass: (n, 1, height, width), or of volumes with the depth before; at least 0.

    Returns:
        Smallest and largest x and y, or x, y and z, (n, d), on the edges of pixels, 0
        without any mass; and (n,) bool, whether there is any.
    """
    total = mass.sum(tuple(range(1, mass.ndim)))[:, None]
    lows, highs = [], []
    for others in all_but_one(mass.ndim - 2):
        share = mass.sum(others)[:, 0].cumsum(1) / total
        count = share.shape[1]
        lows.append(2 * (share <= STRAY_MASS).sum(1) / count - 1)
        highs.append(2 * ((share < 1 - STRAY_MASS).sum(1) + 1) / count - 1)
    found = total > 0
    low, high = (torch.stack(side, 1) for side in (lows, highs))
    return torch.where(found, low, 0.0), torch.where(found, high, 0.0), found[:, 0]


def jitter(rows: int, columns: int, device: torch.device) -> Tensor:
    """Return (rows, columns) uniform errors within ``JITTER``."""
    return JITTER * (2 * torch.rand(rows, columns, device=device) - 1)
