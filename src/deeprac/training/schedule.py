"""Learning-rate schedule."""

from torch.optim import Optimizer


class PolyLR:
    """nnU-Net's poly schedule, ``lr = base * (1 - epoch / epochs)**0.9``, per group.

    nnU-Net's own class writes one rate to all parameter groups, which would silently
    undo the localiser's. The interface is what nnUNetTrainer calls.

    Args:
        optimizer: its groups' rates at construction are the base rates.
        epochs: length of the training.
        exponent: 0.9 in nnU-Net.
    """

    def __init__(
        self, optimizer: Optimizer, epochs: int, exponent: float = 0.9
    ) -> None:
        self.optimizer = optimizer
        self.epochs = epochs
        self.exponent = exponent
        self.base_rates = [group["lr"] for group in optimizer.param_groups]

    def step(self, epoch: int) -> None:
        """Set the rates of an epoch, counted from 0."""
        factor = (1 - epoch / self.epochs) ** self.exponent
        for group, base in zip(
            self.optimizer.param_groups, self.base_rates, strict=True
        ):
            group["lr"] = base * factor
