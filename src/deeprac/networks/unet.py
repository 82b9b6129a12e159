"""nnU-Net's own 2D U-Net, sized for an input: the one description of its topology."""

from typing import Any

from deeprac.fitting import unet_stages
from deeprac.settings.training import NetworkConfig

KWARGS_TO_IMPORT = ("conv_op", "norm_op", "dropout_op", "nonlin")


def unet_kwargs(input_size: int, network: NetworkConfig) -> dict[str, Any]:
    """Return ``arch_kwargs`` of nnU-Net's PlainConvUNet for square inputs.

    The topology follows nnU-Net's rule: the input is halved until its side is
    ``min_feature_map``; features double from ``base_features`` up to ``max_features``.

    Args:
        input_size: side of the input in pixels.
        network: features and depth.

    Returns:
        JSON-able keyword arguments; those in ``KWARGS_TO_IMPORT`` are dotted paths.
    """
    stages = unet_stages(input_size, network.min_feature_map)
    return unet_kwargs_of(
        [[1, 1]] + [[2, 2]] * (stages - 1), [[3, 3]] * stages, network
    )


def unet_kwargs_of(
    strides: list[list[int]], kernel_sizes: list[list[int]], network: NetworkConfig
) -> dict[str, Any]:
    """Return ``arch_kwargs`` of nnU-Net's PlainConvUNet for a given topology.

    Args:
        strides: (y, x) of every stage, [1, 1] first.
        kernel_sizes: (y, x) of every stage.
        network: features and convolutions per stage; ``min_feature_map`` is not used.

    Returns:
        JSON-able keyword arguments, see ``unet_kwargs``.
    """
    stages = len(strides)
    features = [
        min(network.base_features * 2**stage, network.max_features)
        for stage in range(stages)
    ]
    return {
        "n_stages": stages,
        "features_per_stage": features,
        "conv_op": "torch.nn.modules.conv.Conv2d",
        "kernel_sizes": kernel_sizes,
        "strides": strides,
        "n_conv_per_stage": [network.convs_per_stage] * stages,
        "n_conv_per_stage_decoder": [network.convs_per_stage] * (stages - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
