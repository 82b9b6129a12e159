"""nnU-Net's U-Net, seeing what was located in a slice, or the slice as it is."""

from collections.abc import Callable, Sequence
from typing import Any

from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import Tensor, nn

from deeprac.fitting import height_and_width
from deeprac.networks.front_end import Located, Supervision


class LocatingUNet(nn.Module):
    """A U-Net behind a front end: a ``SliceSegmenter`` that a trainer can train.

    Subclasses also locate; see there.

    Args:
        input_channels: 1, the CT.
        num_classes: background included.
        matrix_size: side of the slices in pixels.
        network_input_size: side of the U-Net's input in pixels, or its height and
            width.
        deep_supervision: whether to return the logits of all levels.
        **unet: keyword arguments of PlainConvUNet, as nnU-Net's plans state them.
    """

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        matrix_size: int,
        network_input_size: int | Sequence[int],
        deep_supervision: bool = False,
        **unet: Any,
    ) -> None:
        super().__init__()
        self.unet = PlainConvUNet(
            input_channels,
            num_classes=num_classes,
            deep_supervision=deep_supervision,
            **unet,
        )
        # nnU-Net initialises a network only where it has an attribute `initialize`;
        # this one must not, since that would undo the start of the front end.
        self.unet.apply(self.unet.initialize)
        self.matrix_size = matrix_size
        self.input_size = height_and_width(network_input_size)

    @property
    def decoder(self) -> nn.Module:
        """The U-Net's decoder, where nnU-Net switches deep supervision."""
        return self.unet.decoder

    def view(self, slices: Tensor, located: Located) -> Tensor:
        """Return what the U-Net sees of (batch, 1, matrix_size, matrix_size) slices.

        (batch, 1, *input_size) float32.
        """
        raise NotImplementedError

    def way_back(self, located: Located) -> Callable[[list[Tensor]], list[Tensor]]:
        """Return what brings the logits of levels back to the frame of the slice.

        It maps each (batch, classes, h, w), where the U-Net looked, to (batch, classes,
        m, m), where m is ``returned_side``.
        """
        raise NotImplementedError

    def segment(self, slices: Tensor, located: Located) -> Tensor | list[Tensor]:
        """Segment slices that have been located.

        Args:
            slices: (batch, 1, matrix_size, matrix_size), normalised CT.
            located: of these slices.

        Returns:
            (batch, classes, matrix_size, matrix_size) in the frame of the slice; with
            deep supervision a list, halving the size from level to level, without the
            lowest level, to which nnU-Net's loss gives no weight.
        """
        # In this order: autograd adds gradients up in the order of making, to the bit.
        view = self.view(slices, located)
        bring_back = self.way_back(located)
        logits = self.unet(view)
        if isinstance(logits, Tensor):
            return bring_back([logits])[0]
        return bring_back(logits[:-1] or logits)

    def returned_side(self, logits: Tensor) -> int:
        """Side in pixels of logits (batch, classes, h, w) in the slice's frame."""
        return round(self.matrix_size * logits.shape[-1] / self.input_size[-1])


class PlainNetwork(nn.Module):
    """A network without front end as a ``SliceSegmenter``.

    Args:
        network: maps (batch, 1, size, size) to logits (batch, classes, size, size).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def locate(
        self, slices: Tensor, oracle_input: Supervision | None = None
    ) -> Located:
        """Return that (n, 1, size, size) slices are seen as they are."""
        return Located.unmoved(len(slices))

    def segment(self, slices: Tensor, located: Located) -> Tensor:
        """Return the network's answer to (batch, 1, size, size)."""
        return self.network(slices)


def slice_segmenter(network: nn.Module) -> LocatingUNet | PlainNetwork:
    """Return a network of nnU-Net's plans as a ``SliceSegmenter``."""
    return network if isinstance(network, LocatingUNet) else PlainNetwork(network)
