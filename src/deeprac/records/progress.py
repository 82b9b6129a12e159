"""progress.jsonl: one line per epoch of a training, as it goes; and why one failed.

Both lie beside the resume checkpoints. They are for people who wait: no result is read
from them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deeprac.files import named_in_errors, read_json, write_json

PROGRESS, FAILURE = "progress.jsonl", "failure.json"
"""Names of the files in the folder of a run's checkpoints."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch has come to.

    Attributes:
        epoch: its number, from 0.
        epochs: of the whole training.
        time: of its end, in seconds since 1970.
        seconds: that it took.
        train_loss: mean of its steps.
        val_loss: mean over slices of held-out cases.
        dice: nnU-Net's pseudo Dice of these slices by label, NaN where there is none.
    """

    epoch: int
    epochs: int
    time: float
    seconds: float
    train_loss: float
    val_loss: float
    dice: Mapping[str, float]


def append_progress(folder: Path, epoch: Epoch) -> None:
    """Add a line to a training's progress."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PROGRESS
    with named_in_errors(path), path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(epoch)) + "\n")


def read_progress(folder: Path) -> list[Epoch]:
    """Return the epochs of a training; of one that was repeated, its last.

    Lines that are not whole, such as one that is being written, do not count.
    """
    path, epochs = folder / PROGRESS, {}
    if not path.is_file():
        return []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            epoch = Epoch(**json.loads(line))
        except (ValueError, TypeError):
            continue
        epochs[epoch.epoch] = epoch
    return [epochs[number] for number in sorted(epochs)]


def note_failure(folder: Path, message: str | None) -> None:
    """Keep why a training failed; None for one that begins."""
    path = folder / FAILURE
    if message is None:
        path.unlink(missing_ok=True)
    else:
        write_json(path, {"message": message})


def read_failure(folder: Path) -> str | None:
    """Return why the last training failed; None where it did not."""
    path = folder / FAILURE
    if not path.is_file():
        return None
    content: Any = read_json(path)
    return str(content["message"])
