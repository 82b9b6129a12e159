"""A training that can be stopped after any step and goes on as if it had not been.

What an epoch has come to is in the checkpoint: the losses of its steps and the state of
all random numbers. Slices that are drawn in the training process are then the same as
without the interruption; loader processes of nnU-Net draw on their own.
"""

import os
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deeprac.errors import RunError, StoppedError
from deeprac.files import atomic_path
from deeprac.training.checkpoint import content_of, leave_finished, restore
from deeprac.training.stepping import SteppingTrainer
from deeprac.training.stop import StopSignals

FINAL, LATEST, PREVIOUS = (
    f"checkpoint_{name}.pth" for name in ("final", "latest", "previous")
)
"""Of a finished training, of the newest steps, and of those that were saved before."""

ENDS = ("start", "end")
"""Of epochs, as nnU-Net logs them."""

EVERY = "checkpoint_minutes"
"""Key of the time between two of them."""


@dataclass
class Part:
    """The part of an epoch that is done.

    Attributes:
        losses: of its steps.
        gradient_norms: of its steps, see ``SteppingTrainer``.
        random: state of the random numbers after its last step, see ``random_state``.
        seconds: that it took.
        waited_seconds: those of them in which it waited for slices.
    """

    losses: list[float] = field(default_factory=list)
    gradient_norms: list[list[float]] = field(default_factory=list)
    random: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    waited_seconds: float = 0.0


class ResumableTrainer(SteppingTrainer):
    """nnU-Net's training, saved by epochs, by time, and when it is asked to stop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stop = StopSignals()
        self.part = Part()
        """What a former process did of the current epoch."""
        self.interruptions: list[dict[str, Any]] = []
        self.after_epoch: Callable[[], None] = lambda: None
        """Called after every epoch, with its number in ``current_epoch`` passed."""
        self._outputs: list[dict[str, Any]] = []
        self._random: dict[str, Any] = {}
        self._saved = self._began = time.monotonic()

    def run_training(self) -> None:
        """Train to the end, from where the checkpoint was written; see nnU-Net.

        Raises:
            StoppedError: a signal asked to stop; everything is saved.
        """
        self.on_train_start()
        self._saved = time.monotonic()
        with self.stop:
            while self.current_epoch < self.num_epochs:
                self._train_epoch()
                self._validate_epoch()
                self.on_epoch_end()
                self.after_epoch()
        self.on_train_end()
        Path(self.output_folder, PREVIOUS).unlink(missing_ok=True)

    @property
    def epoch_seconds(self) -> float:
        """Time that the current epoch took, in all processes, by no clock on a wall."""
        return time.monotonic() - self._began

    def _train_epoch(self) -> None:
        self._began = time.monotonic() - self.part.seconds
        self.on_epoch_start()
        self.on_train_epoch_start()
        self._go_on()
        while len(self._outputs) < self.num_iterations_per_epoch:
            batch = next(self.dataloader_train)
            self._outputs.append(self.train_step(batch))
            if self._due:
                self._save_part(random_state(self.device))
        self._random = random_state(self.device)
        self.on_train_epoch_end(self._outputs)

    @torch.no_grad()
    def _validate_epoch(self) -> None:
        """Validate; it changes nothing that is saved and is done again if stopped."""
        self.on_validation_epoch_start()
        outputs = []
        for _ in range(self.num_val_iterations_per_epoch):
            outputs.append(self.validation_step(next(self.dataloader_val)))
            if self._due:
                self._save_part(self._random)
        self.on_validation_epoch_end(outputs)

    def _go_on(self) -> None:
        """Take up what a former process did of the epoch."""
        part, self.part = self.part, Part()
        self._outputs = [
            {"loss": torch.tensor(loss, device=self.device)} for loss in part.losses
        ]
        self.gradient_norms = [
            list(torch.tensor(norms, device=self.device))
            for norms in part.gradient_norms
        ]
        if part.losses:
            self.dataloader_train.waited_seconds = part.waited_seconds
            restore_random_state(part.random, self.device)

    @property
    def _due(self) -> bool:
        """Whether time or a signal asks to save within an epoch."""
        late = time.monotonic() - self._saved >= 60 * self.settings["training"][EVERY]
        return late or self.stop.received is not None

    def _save_part(self, random: dict[str, Any]) -> None:
        """Save within an epoch.

        Args:
            random: state of the random numbers after its last training step.

        Raises:
            StoppedError: a signal asked to stop.
        """
        signal = self.stop.received
        part = Part(
            losses=[float(output["loss"]) for output in self._outputs],
            gradient_norms=[[float(n) for n in norms] for norms in self.gradient_norms],
            random=random,
            seconds=self.epoch_seconds,
            waited_seconds=self.dataloader_train.waited_seconds,
        )
        path = Path(self.output_folder, LATEST)
        self._save(path, epoch=self.current_epoch, part=asdict(part))
        if signal is not None:
            raise StoppedError(
                f"{self.settings['experiment']}, fold {self.fold}: {signal.name} asked "
                f"to stop. It is saved after {len(part.losses)} steps of epoch "
                f"{self.current_epoch}; run the same command again to go on.",
                signal,
            )

    def save_checkpoint(self, filename: str) -> None:
        """Save a finished epoch; never one chosen on the held-out cases.

        nnU-Net's validation cases are this benchmark's test cases, so its "best"
        checkpoint would be selected on the test set.
        """
        path = Path(filename)
        if path.name != "checkpoint_best.pth":
            self._save(path, epoch=self.current_epoch + 1, part=asdict(Part()))

    def _save(self, path: Path, *, epoch: int, part: dict[str, Any]) -> None:
        """Write a checkpoint completely or not at all, and keep the one before."""
        self.before_writing()
        content = content_of(self, epoch) | {
            "part": part,
            "interruptions": self.interruptions,
            "stopped_by": self.stop.received and self.stop.received.name,
        }
        if path.name == FINAL:
            content = leave_finished(content)
        try:
            with atomic_path(path) as temporary:
                torch.save(content, temporary)
                if path.name == LATEST and path.exists():
                    os.replace(path, path.with_name(PREVIOUS))
        except RuntimeError as error:  # how torch.save reports a full disk
            raise RunError(
                f"The checkpoint {path} cannot be written: {error}. Free disk space "
                "and run the same command again; it resumes from the one before."
            ) from error
        self._saved = time.monotonic()

    def load_checkpoint(self, filename_or_checkpoint: str) -> None:
        """Resume as nnU-Net does, which would also run code that the file holds.

        Raises:
            RunError: the file is no checkpoint, or one of another network.
        """
        if not self.was_initialized:
            self.initialize()
        content = restore(self, Path(filename_or_checkpoint))
        if "seconds" not in self.logged:  # as older versions left it
            pairs = zip(
                *(self.logged[f"epoch_{end}_timestamps"] for end in ENDS), strict=True
            )
            self.logged["seconds"] = [stop - start for start, stop in pairs]
        self.interruptions = list(content.get("interruptions", []))
        if self.current_epoch >= self.num_epochs:
            return
        self.part = Part(**content.get("part", {}))
        cause = content.get("stopped_by") or "not known: killed, or the machine stopped"
        self.interruptions.append(
            {
                "epoch": self.current_epoch,
                "step": len(self.part.losses),
                "cause": cause,
            }
        )


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of all generators of random numbers, as plain data.

    Args:
        device: whose generator counts beside those of the host.
    """
    name, keys, *rest = np.random.get_state()
    state = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Set all generators to a ``random_state``."""
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
