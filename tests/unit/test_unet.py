import json
from pydoc import locate

import pytest
import torch

from deeprac.front_ends import FRONT_ENDS
from deeprac.networks.unet import KWARGS_TO_IMPORT, unet_kwargs
from deeprac.settings.training import NetworkConfig

PAPER = NetworkConfig(32, 512, 2, 4)


@pytest.mark.parametrize(
    ("size", "features"),
    [
        (128, [32, 64, 128, 256, 512, 512]),  # 128 -> 4: five halvings
        (256, [32, 64, 128, 256, 512, 512, 512]),
        (512, [32, 64, 128, 256, 512, 512, 512, 512]),
        (96, [32, 64, 128, 256, 512]),  # 96 -> 6; 3 would be below 4
    ],
)
def test_depth_and_features_follow_nnunets_rule(size, features):
    kwargs = unet_kwargs(size, PAPER)
    assert kwargs["features_per_stage"] == features
    assert kwargs["n_stages"] == len(features)
    assert kwargs["strides"] == [[1, 1]] + [[2, 2]] * (len(features) - 1)
    assert kwargs["n_conv_per_stage_decoder"] == [2] * (len(features) - 1)


def test_kwargs_survive_json_and_build_nnunets_network():
    kwargs = json.loads(json.dumps(unet_kwargs(32, NetworkConfig(4, 8, 1, 4))))
    for name in KWARGS_TO_IMPORT:
        kwargs[name] = kwargs[name] and locate(kwargs[name])
    network = locate(FRONT_ENDS["none"].network)(
        1, num_classes=3, deep_supervision=True, **kwargs
    )
    outputs = network(torch.rand(2, 1, 32, 32))
    assert [tuple(level.shape) for level in outputs] == [
        (2, 3, 32, 32),
        (2, 3, 16, 16),
        (2, 3, 8, 8),
    ]
