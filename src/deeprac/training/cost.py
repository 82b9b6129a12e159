"""Cost of one training step that needs no GPU to compare: FLOPs and saved bytes.

Network and loss run on PyTorch's ``meta`` device, which computes shapes and no values:
counting a step at 512 x 512 with batch 12 takes seconds and hardly any memory. FLOPs
are those of convolutions and matrix products, forward and backward (a multiplication
and an addition count as two); warps and losses have none in this count but their
saved tensors are in the bytes. All tensors are float32, whatever the run's precision.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class StepCost:
    """Cost of one training step.

    Attributes:
        step_flops: floating point operations, forward and backward.
        step_saved_bytes: bytes that autograd keeps for the backward pass, parameters
            excluded, each storage once.
        parameters: number of trained parameters.
    """

    step_flops: int
    step_saved_bytes: int
    parameters: int

    def as_dict(self) -> dict[str, int]:
        """Return the fields by name."""
        return asdict(self)


def step_cost(
    network: nn.Module,
    loss: Callable[[Any, Any], Tensor],
    image: Tensor,
    target: list[Tensor],
) -> StepCost:
    """Run one step and count.

    Args:
        network: in training mode; on the same device as the data.
        loss: maps (output, target) to a scalar.
        image: (batch, 1, size, size).
        target: label maps of every level of deep supervision.

    Returns:
        The cost; on the meta device equal to the one of real tensors.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    own = {_storage(parameter) for parameter in network.parameters()}
    # Keeping the storages alive keeps their identities unique.
    saved: dict[int, Any] = {}

    def keep(tensor: Tensor) -> Tensor:
        if _storage(tensor) not in own:
            saved[_storage(tensor)] = tensor.untyped_storage()
        return tensor

    counter = FlopCounterMode(display=False)
    with counter:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            value = loss(network(image), target)
        saved_bytes = sum(storage.nbytes() for storage in saved.values())
        value.backward()
    network.zero_grad(set_to_none=True)
    return StepCost(
        step_flops=counter.get_total_flops(),
        step_saved_bytes=saved_bytes,
        parameters=sum(p.numel() for p in parameters),
    )


def _storage(tensor: Tensor) -> int:
    # data_ptr() is 0 for every meta tensor; the storage object itself is not shared.
    return tensor.untyped_storage()._cdata
