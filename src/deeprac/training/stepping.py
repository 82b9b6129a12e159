"""How a training takes its steps: without waiting for the device, as one graph."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deeprac.errors import RunError
from deeprac.training.capture import CapturedStep, CudaGraph
from deeprac.training.nnunet import MAX_GRADIENT, NnunetTrainer
from deeprac.training.schedule import start_momentum


class SteppingTrainer(NnunetTrainer):
    """nnU-Net's training with steps of its own, of the same arithmetic.

    nnU-Net fetches the loss at every step and so lets a GPU run dry while the next step
    is prepared; here nothing is fetched before an epoch ends, and forward and backward
    pass are one CUDA graph.
    """

    settings: dict[str, Any]
    """The plans' ``deeprac`` section."""
    clips: list[tuple[list[nn.Parameter], float]]
    scaler: torch.amp.GradScaler
    captured: CapturedStep
    before_writing: Callable[[], None]
    """Raises where this process may not write checkpoints any more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gradient_norms: list[Sequence[Tensor]] = []
        self.before_writing = lambda: None

    def prepare_steps(self) -> None:
        """Make once what every step needs of network and optimiser."""
        self.clips = self.clipped_parts()
        start_momentum(self.optimizer)
        # Off a GPU nnU-Net has no scaler; a disabled one does nothing.
        self.scaler = self.grad_scaler or torch.amp.GradScaler(enabled=False)
        self.captured = self.capture(self.backward)

    def capture(self, step: Callable[..., Tensor]) -> CapturedStep:
        """Return a step of this training, as a CUDA graph where that is wanted."""
        wanted = self.settings["training"]["capture"] == "auto"
        return CapturedStep(
            step,
            self.device,
            graph=CudaGraph if wanted and self.device.type == "cuda" else None,
            log=self.print_to_log_file,
        )

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Take one step; ``on_train_epoch_end`` fetches the losses of all."""
        return {"loss": self.take_step(*self.step_tensors(batch))}

    def take_step(self, *tensors: Tensor) -> Tensor:
        """Change the weights by ``step_tensors`` and return the loss."""
        loss = self.captured(*tensors)
        self.scaler.unscale_(self.optimizer)
        self.clip_gradients()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss

    def step_tensors(self, batch: dict[str, Any]) -> list[Tensor]:
        """Return what a step reads of a batch: slices, then labels of every level."""
        return [self.pinned(batch["data"]), *map(self.pinned, batch["target"])]

    def empty_step(self) -> list[Tensor]:
        """Return ``step_tensors`` of the sizes of the run, without content."""
        batch = self.configuration_manager.batch_size
        sizes = [self.configuration_manager.patch_size, *self.level_sizes()]
        return [torch.zeros(batch, 1, *size) for size in sizes]

    def pinned(self, tensor: Tensor) -> Tensor:
        """Put a tensor of the host where a GPU can fetch it by itself."""
        cuda = self.device.type == "cuda"
        if not cuda or tensor.is_cuda:
            return tensor
        return tensor.contiguous().pin_memory()

    def backward(self, *tensors: Tensor) -> Tensor:
        """Compute the loss of ``step_tensors`` and all gradients, scaled."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss = self.loss_of(*tensors)
        self.scaler.scale(loss).backward()
        return loss.detach()

    def loss_of(self, data: Tensor, *target: Tensor) -> Tensor:
        """Return the loss of (batch, 1, ...) slices and labels of every level."""
        return self.loss(self.network(data), list(target))

    def clipped_parts(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return the parameters whose gradients are clipped together, and to what."""
        return [(list(self.network.parameters()), MAX_GRADIENT)]

    def clip_gradients(self) -> None:
        """Clip the gradient of each part on its own."""
        norms = [
            torch.nn.utils.clip_grad_norm_(part, limit, foreach=True)
            for part, limit in self.clips
        ]
        self.gradient_norms.append(norms)

    def localiser_gradient(self) -> float | None:
        """Median norm of the localiser's gradient over the epoch; None without one."""
        self.gradient_norms.clear()
        return None

    def on_train_epoch_end(self, train_outputs: list[dict[str, Any]]) -> None:
        """Fetch the epoch's losses and stop a training that diverged.

        Before anything is saved, so that the last good checkpoint stays.
        """
        losses = torch.stack([output["loss"] for output in train_outputs]).cpu().numpy()
        super().on_train_epoch_end([{"loss": loss} for loss in losses])
        loss = losses.mean()
        if not np.isfinite(loss):
            raise RunError(
                f"{self.settings['experiment']}, fold {self.fold}: the "
                f"{self.trained} is {loss} in epoch {self.current_epoch}. Lower "
                f"{self.rate_key}."
            )

    @property
    def trained(self) -> str:
        """Name of the loss that the epoch brings down, for messages."""
        return "training loss"

    @property
    def rate_key(self) -> str:
        """Key of the learning rate with which the epoch does."""
        return "training.learning_rate"
