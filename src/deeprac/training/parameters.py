"""How large a network is, made or only planned."""

from itertools import chain
from typing import Any

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch import nn

from deeprac.training.plans import configuration_name


def stored_numbers(network: nn.Module) -> int:
    """Return how many numbers a network keeps: parameters and buffers, each once."""
    return sum(one.numel() for one in chain(network.parameters(), network.buffers()))


def planned_numbers(plans: dict[str, Any], classes: int) -> int:
    """Return ``stored_numbers`` of the network that plans describe, without making it.

    Args:
        plans: content of plans.json.
        classes: background included.
    """
    architecture = plans["configurations"][configuration_name(plans)]["architecture"]
    with torch.device("meta"):
        network = get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            input_channels=1,
            output_channels=classes,
            allow_init=False,
        )
    return stored_numbers(network)
