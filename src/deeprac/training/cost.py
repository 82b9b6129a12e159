"""What a training costs: a step's FLOPs and saved bytes, waiting, and memory.

A step is counted without a GPU, so that machines compare: network and loss run on
PyTorch's fake tensors, which have shapes and no values: counting a step at 512 x 512
with batch 12 takes seconds and hardly any memory. FLOPs are those of convolutions and
matrix products, forward and backward (a multiplication and an addition count as two);
warps and losses have none in this count but their saved tensors are in the bytes. Bytes
depend on the precision: a GPU computes in half where autocast says so.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from deeprac.records.runs import FLOAT32, MIXED

GIB = 2**30


@dataclass(frozen=True)
class StepCost:
    """Cost of one training step.

    Attributes:
        step_flops: floating point operations, forward and backward.
        step_saved_bytes: bytes that autograd keeps for the backward pass, parameters
            excluded, each storage once.
        step_precision: in which precision these bytes were counted, float32 or mixed.
        parameters: number of trained parameters.
    """

    step_flops: int
    step_saved_bytes: int
    step_precision: str
    parameters: int


def step_cost(
    network: nn.Module, step: Callable[[], Tensor], *, mixed_precision: bool = False
) -> StepCost:
    """Run one step and count.

    Args:
        network: in training mode.
        step: returns the loss of the network, a scalar.
        mixed_precision: whether autocast computes in half precision, as on a GPU.

    Returns:
        The cost; of fake tensors equal to the one of real tensors.
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
        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, enabled=mixed_precision),
        ):
            value = step()
        saved_bytes = sum(storage.nbytes() for storage in saved.values())
        value.backward()
    network.zero_grad(set_to_none=True)
    return StepCost(
        step_flops=counter.get_total_flops(),
        step_saved_bytes=saved_bytes,
        step_precision=MIXED if mixed_precision else FLOAT32,
        parameters=sum(p.numel() for p in parameters),
    )


def _storage(tensor: Tensor) -> int:
    # data_ptr() is 0 for every fake tensor; the storage object itself is not shared.
    return tensor.untyped_storage()._cdata


class TimedLoader:
    """Pass batches through and add up the time spent waiting for them.

    Args:
        loader: nnU-Net's augmenter.
    """

    def __init__(self, loader: Iterator[dict[str, Any]]) -> None:
        self.loader = loader
        self.waited_seconds = 0.0

    def __iter__(self) -> "TimedLoader":
        return self

    def __next__(self) -> dict[str, Any]:
        start = time.perf_counter()
        batch = next(self.loader)
        self.waited_seconds += time.perf_counter() - start
        return batch


def peak_host_bytes() -> int:
    """Peak resident memory of this process in bytes."""
    # psutil reports the peak on Windows only; elsewhere the kernel keeps it.
    if os.name == "nt":
        return psutil.Process().memory_info().peak_wset
    import resource  # noqa: PLC0415  (absent on Windows)
    import sys  # noqa: PLC0415

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
