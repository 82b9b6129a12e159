"""nnU-Net's own U-Net, sized for an input: the one description of its topology."""

from collections.abc import Sequence
from typing import Any

from deeprac.fitting import every_side, halvings
from deeprac.settings.training import NetworkConfig

KWARGS_TO_IMPORT = ("conv_op", "norm_op", "dropout_op", "nonlin")


def unet_kwargs(
    input_size: int | Sequence[int], network: NetworkConfig
) -> dict[str, Any]:
    """Return ``arch_kwargs`` of nnU-Net's PlainConvUNet for an input.

    The topology follows nnU-Net's rule: each side of the input is halved until it is
    ``min_feature_map``; features double from ``base_features`` up to ``max_features``.

    Args:
        input_size: side of the input in pixels, or its height and width.
        network: features and depth.

    Returns:
        JSON-able keyword arguments; those in ``KWARGS_TO_IMPORT`` are dotted paths.
    """
    sides = every_side(input_size)
    times = [halvings(side, network.min_feature_map) for side in sides]
    stages = 1 + max(times)
    strides = [
        [2 if 0 < stage <= count else 1 for count in times] for stage in range(stages)
    ]
    return unet_kwargs_of(strides, [[3, 3]] * stages, network)


def unet_kwargs_of(
    strides: list[list[int]], kernel_sizes: list[list[int]], network: NetworkConfig
) -> dict[str, Any]:
    """Return ``arch_kwargs`` of nnU-Net's PlainConvUNet for a given topology.

    Args:
        strides: (y, x) or (z, y, x) of every stage, ones first.
        kernel_sizes: of every stage likewise.
        network: features and convolutions per stage; ``min_feature_map`` is not used.

    Returns:
        JSON-able keyword arguments, see ``unet_kwargs``.
    """
    stages, dimensions = len(strides), len(strides[0])
    features = [
        min(network.base_features * 2**stage, network.max_features)
        for stage in range(stages)
    ]
    return {
        "n_stages": stages,
        "features_per_stage": features,
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "kernel_sizes": kernel_sizes,
        "strides": strides,
        "n_conv_per_stage": [network.convs_per_stage] * stages,
        "n_conv_per_stage_decoder": [network.convs_per_stage] * (stages - 1),
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
