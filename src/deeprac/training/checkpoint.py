"""Reading a checkpoint without running it: a pickle from somebody else may hold code.

nnU-Net's checkpoints hold weights, the optimiser's state, settings and logged numbers:
data alone, so that whatever else a file holds is refused.
"""

import pickle
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from deeprac.errors import RunError
from deeprac.training.schedule import start_momentum

if TYPE_CHECKING:
    from deeprac.training.trainer import DeepracTrainer

WEIGHTS = "network_weights"
"""The entry of a checkpoint with the state of the network."""

FINISHED = (
    *(WEIGHTS, "logging", "_best_ema", "current_epoch"),
    "inference_allowed_mirroring_axes",
)
"""Entries of nnU-Net's checkpoints that say what a training has come to."""

STEPPING = ("optimizer_state", "grad_scaler_state")
"""Those that only further steps need, as large as the weights."""

_scalar = np.float64(0).__reduce__()[0]
LOGGED_NUMBERS: list[Any] = [
    # numpy 1 and numpy 2 write one function under two names.
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(name)) for name in ("float32", "float64", "int64", "bool")),
]
"""What nnU-Net logs beyond Python's own numbers; all else that a file asks for is not
imported."""


class DamagedError(RunError):
    """A checkpoint is cut short or otherwise unreadable."""


_ASKED_FOR = re.compile(r"GLOBAL (\S+)")


def read_checkpoint(path: Path, entries: Iterable[str] = (WEIGHTS,)) -> dict[str, Any]:
    """Read a checkpoint, its tensors on the CPU; nothing in the file is run.

    Args:
        path: file that this workflow, or nnU-Net, wrote.
        entries: what it must hold.

    Raises:
        RunError: it holds anything but weights and numbers, is cut short, or lacks an
            entry.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        return parse_checkpoint(file, str(path), entries)


def parse_checkpoint(
    file: BinaryIO, name: str, entries: Iterable[str] = (WEIGHTS,)
) -> dict[str, Any]:
    """Read an opened checkpoint, as ``read_checkpoint`` does.

    Args:
        file: its bytes.
        name: what messages call it.
        entries: what it must hold.

    Raises:
        RunError: as there.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a foreign file's protocol: it is refused
        try:
            with torch.serialization.safe_globals(LOGGED_NUMBERS):
                content = torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            found = _ASKED_FOR.search(str(error))
            raise _foreign(
                name,
                "it holds code or objects other than weights"
                f"{f' ({found[1]})' if found else ''}, and none of it was run",
            ) from error
        except Exception as error:
            # A damaged file fails in torch, in its archive or in numpy, with any type.
            raise DamagedError(
                f"{name} cannot be read: it is cut short or damaged "
                f"({type(error).__name__}). Copy it again, or delete it and train the "
                "fold again."
            ) from error
    held = content if isinstance(content, dict) else {}
    missing = [entry for entry in entries if entry not in held]
    if missing:
        raise _foreign(name, f"it has no {', '.join(missing)}")
    if not _is_state(held[WEIGHTS]):
        raise _foreign(name, f"its {WEIGHTS} are objects other than weights")
    return held


def _is_state(weights: Any) -> bool:
    return isinstance(weights, dict) and all(
        isinstance(name, str) and isinstance(value, Tensor)
        for name, value in weights.items()
    )


def _foreign(name: str, why: str) -> RunError:
    return RunError(
        f"{name} is no checkpoint of this workflow: {why}. Do not use the file: train "
        "the fold again, or ask whoever made it for one that holds weights alone."
    )


def content_of(trainer: "DeepracTrainer", epoch: int) -> dict[str, Any]:
    """Return what nnU-Net saves of a training.

    Args:
        trainer: the training.
        epoch: with which it will go on; what was logged of it is left out.
    """
    scaler = trainer.grad_scaler
    return {
        WEIGHTS: trainer.network.state_dict(),
        "optimizer_state": trainer.optimizer.state_dict(),
        "grad_scaler_state": None if scaler is None else scaler.state_dict(),
        "logging": {key: values[:epoch] for key, values in trainer.logged.items()},
        "_best_ema": trainer._best_ema,
        "current_epoch": epoch,
        "init_args": trainer.my_init_kwargs,
        "trainer_name": type(trainer).__name__,
        "inference_allowed_mirroring_axes": trainer.inference_allowed_mirroring_axes,
    }


def leave_finished(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a finished training's checkpoint.

    Without what only steps need it is half as large, and without numpy's numbers it
    loads with ``torch.load(..., weights_only=True)``.
    """
    return {key: _plain(value) for key, value in content.items() if key not in STEPPING}


def _plain(value: Any) -> Any:
    """The same with Python's numbers for numpy's."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def restore(trainer: "DeepracTrainer", path: Path) -> dict[str, Any]:
    """Let an initialised trainer go on where a checkpoint was written.

    Returns:
        The content of the checkpoint.

    Raises:
        RunError: the file is no checkpoint, or one of another network or length.
    """
    content = read_checkpoint(path, FINISHED)
    try:
        trainer.network.load_state_dict(content[WEIGHTS])
        if content["current_epoch"] < trainer.num_epochs:
            _restore_steps(trainer, content)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise RunError(
            f"{path} does not fit the plans of {trainer.settings['experiment']}: "
            f"{error}. Delete {path.parent} to train the fold afresh."
        ) from error
    trainer.logger.load_checkpoint(content["logging"])
    for name in ("current_epoch", "_best_ema", "inference_allowed_mirroring_axes"):
        setattr(trainer, name, content[name])
    return content


def _restore_steps(trainer: "DeepracTrainer", content: dict[str, Any]) -> None:
    """Restore what further steps need.

    Raises:
        KeyError: the checkpoint is one of a finished training.
    """
    state, scale = (content[key] for key in STEPPING)
    for group in state["param_groups"]:
        group["fused"] = True  # whatever an older version wrote
    trainer.optimizer.load_state_dict(state)
    start_momentum(trainer.optimizer)
    if trainer.grad_scaler is not None and scale:
        trainer.grad_scaler.load_state_dict(scale)
