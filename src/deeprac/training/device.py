"""The device that the configuration asks for, or an error."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from deeprac.errors import DeviceError, RunError
from deeprac.gpus import VISIBLE


def resolve_device(name: str) -> torch.device:
    """Return the device, never another one.

    Args:
        name: ``cuda`` or ``cpu``.

    Raises:
        DeviceError: ``cuda`` without a usable GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "training.device is 'cuda', but PyTorch sees no GPU on this machine "
            f"(torch {torch.__version__}). Run where there is one, install a CUDA "
            "build of PyTorch, or set `training: {device: cpu}` in the configuration."
        )
    return torch.device(name)


def device_for(option: str) -> tuple[torch.device, str]:
    """Return the device that ``--device`` asks for, and why it is that one.

    Args:
        option: auto, cuda or cpu.

    Raises:
        DeviceError: ``cuda`` without a usable GPU.
    """
    if option == "cpu":
        return torch.device("cpu"), "asked for"
    if torch.cuda.is_available():
        name = torch.cuda.get_device_properties(0).name
        return torch.device("cuda"), f"{name}, which PyTorch can use"
    none = f"PyTorch sees no GPU on this machine (torch {torch.__version__})"
    if option == "cuda":
        raise DeviceError(
            f"--device is cuda, but {none}. Give the program a GPU (in a container: "
            "--gpus all), install a CUDA build of PyTorch, or say --device cpu."
        )
    return torch.device("cpu"), none


@contextmanager
def within_gpu_memory(what: str, remedy: str) -> Iterator[None]:
    """Say what to change where a GPU's memory is too small.

    Args:
        what: is computed: experiment and fold.
        remedy: which key to lower, in a sentence.

    Raises:
        RunError: it was too small, with how much was asked for.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        asked = ". ".join(str(error).split(". ")[:3])
        raise RunError(
            f"{what}: the GPU's memory is too small ({asked}). {remedy}"
        ) from error


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Send a small tensor of the host without waiting for the device."""
    if device.type != "cuda":
        return tensor
    return tensor.contiguous().pin_memory().to(device, non_blocking=True)


def describe_device(device: torch.device) -> dict[str, Any]:
    """Return what identifies the device in ``run.json``."""
    if device.type != "cuda":
        return {
            "type": device.type,
            "name": device.type,
            "threads": torch.get_num_threads(),
        }
    properties = torch.cuda.get_device_properties(device)
    return {
        "type": "cuda",
        "name": properties.name,
        "visible": os.environ.get(VISIBLE),
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
