"""The Spatial Transformers of La Barbera et al. in front of nnU-Net's U-Net.

Their behaviour, faults included, as read in the public repository
``Giammarco07/DeePRAC_project`` and tabulated in ``docs/labarbera.md``. The U-Net is
nnU-Net's own, as in every other arm, so that only the front end differs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.similarity import identity, invert, transform_points
from deeprac.geometry.warp import warp
from deeprac.networks.front_end import Located, Supervision
from deeprac.networks.locating_unet import LocatingUNet

MASK_THRESHOLD = 0.01
"""What is this much above the lowest value of its slice counts as body."""
SCALE_BOUNDS = (0.5, 2.0)
CORNER_EPSILON = 1e-20
"""Added to the crop's scales by the authors; too small to keep them invertible."""
SLICES_AT_ONCE = 16
"""A case is localised in parts, since the convolutions work at full resolution."""


class LocalisationNet(nn.Module):
    """Regress numbers from a whole slice: two convolutions and three linear layers.

    The first linear layer sees every pixel of the last feature map, so it grows with
    the matrix: 8 million parameters at 128, 157 million at 512 pixels.

    Args:
        channels: of the input.
        size: side of the input in pixels.
        start: outputs of the untrained network, whose last weights are zero.
    """

    def __init__(self, channels: int, size: int, start: Sequence[float]) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 8, 7),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 10, 5),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
        side = ((size - 6) // 2 - 4) // 2
        self.hidden = nn.Sequential(
            nn.Linear(10 * side**2, 1024),
            nn.ReLU(inplace=True),
            nn.Linear(1024, 32),
            nn.ReLU(inplace=True),
        )
        self.output = nn.Linear(32, len(start))
        with torch.no_grad():
            self.output.weight.zero_()
            self.output.bias.copy_(torch.tensor(start))

    def forward(self, image: Tensor) -> Tensor:
        """Map (batch, channels, size, size) to (batch, outputs) in float32."""
        # Half precision resolves corners of a few hundred pixels to a quarter at best.
        with torch.autocast("cuda", enabled=False):
            return self.output(self.hidden(self.features(image.float())))


def body_mask(slices: Tensor) -> Tensor:
    """Mark what is above the lowest value of each slice.

    Args:
        slices: (batch, 1, height, width) normalised CT.

    Returns:
        Same shape, float32, 0 or 1; empty for a slice of air only.
    """
    return (slices >= slices.amin((2, 3), keepdim=True) + MASK_THRESHOLD).float()


def pose_affine(raw: Tensor) -> Tensor:
    """Build the transform of size and pose from its five numbers.

    ``p_image = diag(sx, sy) R(angle) p_canonical + t``. Scaling follows rotation, so
    the result is a similarity only where ``sx == sy``; elsewhere it shears.

    Args:
        raw: (batch, 5) angle in radians, unbounded; ``t`` before a hyperbolic tangent;
            ``sx, sy`` before they are clipped to ``SCALE_BOUNDS``.

    Returns:
        (batch, 2, 3) ``image_from_canonical``.
    """
    cos, sin = raw[:, 0].cos(), raw[:, 0].sin()
    rotation = torch.stack(
        [torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], 1
    )
    scale = functional.hardtanh(raw[:, 3:5], *SCALE_BOUNDS)
    return torch.cat([scale[:, :, None] * rotation, raw[:, 1:3, None].tanh()], 2)


def corner_window(raw: Tensor, size: int) -> Tensor:
    """Build the crop's window from two corners.

    Nothing keeps the second corner beyond the first, or either inside the frame: the
    window may mirror the image, or collapse to a line or a point.

    Args:
        raw: (batch, 4) x1, x2, y1, y2 in pixels before a rectifier.
        size: side of the frame in pixels.

    Returns:
        (batch, 2, 3) ``canonical_from_crop``.
    """
    first, second = functional.relu(raw).view(-1, 2, 2).unbind(-1)
    scale = (second - first) / size + CORNER_EPSILON
    return torch.cat([scale.diag_embed(), ((second + first) / size - 1)[:, :, None]], 2)


def is_singular(transform: Tensor) -> Tensor:
    """Return (batch,) bool: transforms (batch, 2, 3) that float32 cannot invert."""
    linear = transform[:, :, :2].float()
    determinant = linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0]
    smallest = torch.finfo(torch.float32).tiny
    return ~((determinant.abs() >= smallest) & determinant.isfinite())


def warp_nearest(
    image: Tensor, image_from_out: Tensor, side: int, *, padding: str
) -> Tensor:
    """Sample the nearest pixel: ``out(p) = image(image_from_out p)``.

    No gradient reaches the transform.

    Args:
        image: (batch, channels, height, width).
        image_from_out: (batch, 2, 3).
        side: of the result in pixels.
        padding: ``border`` or ``zeros``.

    Returns:
        (batch, channels, side, side) float32.
    """
    points = pixel_centres((side, side), image.device)
    grid = transform_points(image_from_out, points).view(-1, side, side, 2)
    return functional.grid_sample(
        image.float(), grid, mode="nearest", padding_mode=padding, align_corners=False
    )


class LaBarberaUNet(LocatingUNet):
    """Localise slice by slice, warp twice, segment, and return log-probabilities.

    The transformers have losses of their own and are trained before the U-Net
    (``deeprac.training.labarbera``); the segmentation never changes them.

    Args:
        input_channels: 1, the CT.
        num_classes: background included.
        normalise: whether there is a transformer for size and pose.
        crop: whether there is a transformer for the crop.
        **unet: keyword arguments of LocatingUNet.
    """

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        normalise: bool,
        crop: bool,
        **unet: Any,
    ) -> None:
        super().__init__(input_channels, num_classes, **unet)
        size, _ = self.matrix_size
        self.pose = self.window = None
        if normalise:
            self.pose = LocalisationNet(2, size, (0.0, 0.0, 0.0, 1.0, 1.0))
        if crop:
            near, far = size / 4, 3 * size / 4
            self.window = LocalisationNet(1, size, (near, far, near, far))
        self.reference: Tensor
        self.register_buffer("reference", torch.zeros(1, 1, size, size))

    def forward(self, slices: Tensor) -> Tensor | list[Tensor]:
        """Segment slices; only the U-Net gets gradients.

        Args:
            slices: (batch, 1, *matrix_size), normalised CT.

        Returns:
            Log-probabilities as ``segment`` returns them.
        """
        return self.segment(slices, self.locate(slices))

    def image_from_canonical(self, slices: Tensor) -> Tensor:
        """Regress size and pose, (batch, 2, 3), of (batch, 1, size, size) slices."""
        if self.pose is None:
            return identity(len(slices), slices.device)
        return pose_affine(self.pose(torch.cat([slices, body_mask(slices)], 1)))

    def canonical(self, slices: Tensor, image_from_canonical: Tensor) -> Tensor:
        """Warp slices to size and pose on their own matrix; the border repeats.

        Args:
            slices: (batch, 1, *matrix_size), normalised CT.
            image_from_canonical: (batch, 2, 3).

        Returns:
            Same shape as the slices, float32.
        """
        if self.pose is None:
            return slices.float()
        return warp(slices, image_from_canonical, self.matrix_size)

    def canonical_from_crop(self, canonical: Tensor) -> Tensor:
        """Regress the crop, (batch, 2, 3), of (batch, 1, size, size) warped slices."""
        if self.window is None:
            return identity(len(canonical), canonical.device)
        return corner_window(self.window(canonical), self.matrix_size[0])

    @torch.no_grad()
    def locate(
        self, slices: Tensor, oracle_input: Supervision | None = None
    ) -> Located:
        """Localise slices, each on its own.

        Where the crop of any slice cannot be inverted, the authors' code returns the
        segmentation of all slices of the batch as if they had not been cropped. So
        does ``segment``, and ``fallback`` is set for every slice of the argument.

        Args:
            slices: (n, 1, *matrix_size) slices of one case, on any device.
            oracle_input: not used; nothing but the image steers these transformers.
        """
        poses, crops = [], []
        for part in slices.to(self.reference.device).split(SLICES_AT_ONCE):
            poses.append(self.image_from_canonical(part))
            crops.append(self.canonical_from_crop(self.canonical(part, poses[-1])))
        pose, crop = torch.cat(poses), torch.cat(crops)
        scale = pose[:, :, :2].norm(dim=2)
        low, high = SCALE_BOUNDS
        return Located(
            image_from_canonical=pose,
            canonical_from_crop=None if self.window is None else crop,
            image_from_single=pose,
            fallback=is_singular(crop).any().expand(len(crop)),
            at_bound=((scale <= low + 1e-4) | (scale >= high - 1e-4)).any(1),
        )

    def view(self, slices: Tensor, located: Located) -> Tensor:
        """Warp to size and pose, then to the crop."""
        view = self.canonical(slices, located.image_from_canonical)
        crop = located.canonical_from_crop
        if crop is None:
            return view
        return warp(view, crop, self.input_size, fill=0.0)

    def way_back(self, located: Located) -> Callable[[list[Tensor]], list[Tensor]]:
        """Undo the crop, then size and pose, by the nearest pixel each.

        The authors warp probabilities; since the nearest pixel is a choice and no
        mean, warping their logarithms is the same and keeps the gradient of small ones.
        """
        inverses = []
        crop = located.canonical_from_crop
        if crop is not None:
            whole = identity(len(crop), crop.device)
            crop = torch.where(located.fallback[:, None, None], whole, crop)
            inverses.append(invert(crop))
        if self.pose is not None:
            inverses.append(invert(located.image_from_canonical))

        def bring_back(logits: Tensor) -> Tensor:
            side, _ = self.returned_size(logits)
            returned = logits.float().log_softmax(1)
            for inverse in inverses:
                returned = warp_nearest(returned, inverse, side, padding="border")
            return returned

        return lambda levels: [bring_back(level) for level in levels]
