"""The device that the configuration asks for, or an error."""

from typing import Any

import torch

from deeprac.errors import DeviceError


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
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
