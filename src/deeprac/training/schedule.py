"""Learning-rate schedule, and how momentum starts."""

import torch
from torch.optim import SGD, Optimizer


class PolyLR:
    """nnU-Net's poly schedule, ``lr = base * (1 - epoch / epochs)**0.9``, per group.

    nnU-Net's own class writes one rate to all parameter groups, which would silently
    undo the localiser's. The interface is what nnUNetTrainer calls.

    Args:
        optimizer: its groups' rates at construction are the base rates.
        epochs: length of the schedule.
        start: epoch with which it begins. Nothing steps the optimiser before; its
            groups only carry the rate that nnU-Net logs.
        early_rate: that rate.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        epochs: int,
        *,
        start: int = 0,
        early_rate: float | None = None,
    ) -> None:
        self.optimizer = optimizer
        self.epochs = epochs
        self.start = start
        self.early_rate = early_rate
        self.base_rates = [group["lr"] for group in optimizer.param_groups]

    def step(self, epoch: int) -> None:
        """Set the rates of an epoch, counted from 0."""
        early = epoch < self.start
        factor = (1 - (epoch - self.start) / self.epochs) ** 0.9
        for group, base in zip(
            self.optimizer.param_groups, self.base_rates, strict=True
        ):
            group["lr"] = self.early_rate if early else base * factor


def start_momentum(optimizer: Optimizer) -> None:
    """Start the momentum of SGD at 0, which is the same arithmetic.

    Fused SGD makes it in its first step, without content, and if half precision
    overflows in that step, nothing is written to it.
    """
    if not isinstance(optimizer, SGD):
        return
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
            state = optimizer.state[parameter]
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)
