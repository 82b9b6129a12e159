"""Weights of a run, saved again without anything that a segmentation does not need."""

import io
from pathlib import Path
from typing import Any

import torch

from deeprac.errors import RunError
from deeprac.preprocessing.matrices import CONFIGURATION
from deeprac.training.checkpoint import WEIGHTS, parse_checkpoint, read_checkpoint

MIRRORING = "inference_allowed_mirroring_axes"
"""Entry of nnU-Net's checkpoints."""


def clean_checkpoint(
    path: Path, fold: int, changes: dict[str, Any] | None = None
) -> bytes:
    """Read a run's checkpoint and return one with the weights and three entries.

    nnU-Net's own names: ``network_weights``, ``trainer_name``, ``init_args`` and the
    mirroring axes. It loads without running anything (``weights_only``).

    Args:
        path: ``checkpoint_final.pth`` of a run.
        fold: its number.
        changes: entries in place of the run's.

    Raises:
        RunError: it is missing, or no checkpoint.
    """
    if not path.is_file():
        raise RunError(
            f"{path} does not exist. Run `deeprac train` for this fold first, or name "
            "other folds."
        )
    content = read_checkpoint(path, (WEIGHTS, "trainer_name", MIRRORING))
    clean = {
        WEIGHTS: {name: value.cpu() for name, value in content[WEIGHTS].items()},
        "trainer_name": content["trainer_name"],
        "init_args": {"configuration": CONFIGURATION, "fold": fold},
        MIRRORING: content[MIRRORING],
        **(changes or {}),
    }
    stream = io.BytesIO()
    torch.save(clean, stream)
    return stream.getvalue()


def weights_of(content: bytes, name: str) -> dict[str, torch.Tensor]:
    """The state of the network in a bundle's checkpoint; nothing in it is run.

    Args:
        content: of the member.
        name: what the message calls it.

    Raises:
        RunError: it holds anything but weights and numbers, or is damaged.
    """
    return parse_checkpoint(io.BytesIO(content), name)[WEIGHTS]
