"""The two small networks that look at the whole slice before the U-Net does."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import torch
from dynamic_network_architectures.building_blocks.helper import (
    convert_dim_to_conv_op,
    get_matching_pool_op,
)
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch import Tensor, nn

from deeprac.fitting import PLANE, SPACE
from deeprac.front_ends import FRONT_ENDS
from deeprac.geometry.pixels import homogeneous_centres
from deeprac.geometry.similarity import DEGREES_OF_FREEDOM, of_rows
from deeprac.networks.unet import KWARGS_TO_IMPORT, unet_kwargs_of
from deeprac.settings.training import NetworkConfig

GRID = 4
"""Features along each axis that the localiser keeps."""

WIDENING = {PLANE: (1, 2, 4, 4, 4), SPACE: (1, 2, 4)}
"""Channels of the localiser's convolutions, in units of the first one's."""


def shrinking(side: int, dimensions: int) -> nn.Module:
    """Return what takes means over images until they have a side along every axis."""
    pool = get_matching_pool_op(dimension=dimensions, adaptive=True, pool_type="avg")
    return pool(side)


class PoseLocaliser(nn.Module):
    """Regress a bounded similarity from a low-resolution slice or volume.

    Strided convolutions, a grid of 4 features along each axis and two linear layers:
    five of slices, and of volumes, seen in less detail, three. The grid is kept, not
    averaged, because instance normalisation removes the mean that global pooling would
    report. The last layer starts at zero, so that an untrained localiser returns the
    identity.

    Args:
        base_features: channels of the first convolution; they double twice.
        dimensions: 2, or 3 for volumes.
        max_log_scale: bound of the logarithm of the scale.
        max_angle_rad: bound of the rotation in radians, in space about each axis.
        max_shift: bound of each component of the shift, in normalised units.
    """

    def __init__(
        self,
        base_features: int,
        *,
        dimensions: int = PLANE,
        max_log_scale: float,
        max_angle_rad: float,
        max_shift: float,
    ) -> None:
        super().__init__()
        factors = WIDENING[dimensions]
        # Image, silhouette and the coordinates of every pixel.
        channels = [2 + dimensions, *(base_features * factor for factor in factors)]
        convolution = convert_dim_to_conv_op(dimensions)
        blocks: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            blocks += [
                convolution(inputs, outputs, 3, stride=2, padding=1),
                nn.GroupNorm(1, outputs),
                nn.LeakyReLU(inplace=True),
            ]
        grid = shrinking(GRID, dimensions)
        self.features = nn.Sequential(*blocks, grid, nn.Flatten())
        self.hidden = nn.Linear(GRID**dimensions * channels[-1], 64)
        self.output = nn.Linear(64, DEGREES_OF_FREEDOM[dimensions])
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        angles = DEGREES_OF_FREEDOM[dimensions] - 1 - dimensions
        each = [max_log_scale, *[max_angle_rad] * angles, *[max_shift] * dimensions]
        bounds = torch.tensor(each)
        self.bounds: Tensor
        self.register_buffer("bounds", bounds, persistent=False)

    def forward(self, image: Tensor, body: Tensor) -> tuple[Tensor, Tensor]:
        """Return the residual transform and its raw parameters.

        Args:
            image: (batch, 1, *size) low-resolution slice or volume.
            body: (batch, 1, *size) silhouette, 0 to 1.

        Returns:
            ``seen_from_canonical`` (batch, d, d + 1), where "seen" is the frame of the
            arguments, and the raw outputs (batch, parameters) before they are bounded.
        """
        size = tuple(image.shape[2:])
        points = homogeneous_centres((size,), image.device)[:-1].unflatten(1, size)
        coordinates = points.expand(len(image), *points.shape)
        raw = self.regress(torch.cat([image, body, coordinates], 1))
        return of_rows(self.bounds * raw.tanh()), raw

    def regress(self, channels: Tensor) -> Tensor:
        """Return raw outputs of (batch, channels, *size), never in half.

        The network is too small for half precision to pay, and places every pixel.
        """
        with torch.autocast(channels.device.type, enabled=False):
            features = self.features(channels.float())
            return self.output(nn.functional.leaky_relu(self.hidden(features)))


def coarse_segmenter(
    num_classes: int, size: int, base_features: int, *, dimensions: int = PLANE
) -> nn.Module:
    """Build the small U-Net that finds kidneys and tumour in the canonical frame.

    Args:
        num_classes: background included.
        size: side of its input in pixels; halved until 8 pixels are left.
        base_features: channels at full resolution; they double twice.
        dimensions: 2, or 3 for volumes.

    Returns:
        A module from (batch, 1, *size) to logits (batch, num_classes, *size).
    """
    stages = max(2, (size // 8).bit_length())
    shape = NetworkConfig(base_features, 4 * base_features, 1, min_feature_map=8)
    strides = [[1] * dimensions] + [[2] * dimensions] * (stages - 1)
    return get_network_from_plans(
        FRONT_ENDS["none"].network,
        unet_kwargs_of(strides, [[3] * dimensions] * stages, shape),
        KWARGS_TO_IMPORT,
        input_channels=1,
        output_channels=num_classes,
        deep_supervision=False,
    )


def soft_centre(probability: Tensor, prior: float = 0.01) -> Tensor:
    """Return the centre of a foreground probability map, differentiably.

    Each axis is weighted by how surely a column (a row) lies between the outer edges of
    the foreground, not by how much of it there is: the centre of a large tumour and a
    small kidney opposite then lies midway between their outer edges, which is where a
    window has to be, and not in the tumour.
    A prior at the frame's centre keeps the result defined and smooth on slices without
    foreground.

    Args:
        probability: (batch, 1, height, width), or of volumes with the depth before, 0
            to 1.
        prior: weight of the prior as a share of the columns (rows).

    Returns:
        (batch, d) centre (x, y) or (x, y, z) in normalised units.
    """
    probability = probability.float()
    axes = all_but_one(probability.ndim - 2)
    spans = [_span(probability.amax(others)) for others in axes]
    return torch.cat([_weighted_mean(span, prior) for span in spans], 1)


def all_but_one(dimensions: int) -> Iterator[tuple[int, ...]]:
    """Return what to reduce of (batch, channels, ...) for a profile along x, y, ...

    Example:
        >>> list(all_but_one(3))
        [(2, 3), (2, 4), (3, 4)]
    """
    return combinations(range(2, dimensions + 2), dimensions - 1)


def _span(profile: Tensor) -> Tensor:
    """Fill a profile (batch, 1, n) between its outer edges, smoothly."""
    forward = profile.cummax(-1).values
    backward = profile.flip(-1).cummax(-1).values.flip(-1)
    return torch.minimum(forward, backward)


def _weighted_mean(profile: Tensor, prior: float) -> Tensor:
    """Mean position (batch, 1) of a profile (batch, 1, n), with a prior at 0."""
    count = profile.shape[-1]
    position = (2 * torch.arange(count, device=profile.device) + 1) / count - 1
    return (profile * position).sum(-1) / (profile.sum(-1) + prior * count)
