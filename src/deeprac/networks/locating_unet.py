"""nnU-Net's U-Net, seeing what was located in a slice, or the slice as it is."""

from collections.abc import Callable, Sequence
from typing import Any

from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import Tensor, nn

from deeprac.fitting import every_side
from deeprac.geometry.pixels import Size
from deeprac.networks.front_end import Located, Supervision


class LocatingUNet(nn.Module):
    """A U-Net behind a front end: a ``SliceSegmenter`` that a trainer can train.

    Subclasses also locate; see there. A slice may be a volume, which is then the whole
    of its case.

    Args:
        input_channels: 1, the CT.
        num_classes: background included.
        matrix_size: side of the slices in pixels, or (depth, height, width) of volumes
            in voxels.
        network_input_size: side of the U-Net's input in pixels, or its height and
            width; of volumes as of the matrix.
        deep_supervision: whether to return the logits of all levels.
        **unet: keyword arguments of PlainConvUNet, as nnU-Net's plans state them.
    """

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        matrix_size: int | Sequence[int],
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
        self.matrix_size = every_side(matrix_size)
        self.input_size = every_side(network_input_size)

    @property
    def decoder(self) -> nn.Module:
        """The U-Net's decoder, where nnU-Net switches deep supervision."""
        return self.unet.decoder

    def view(self, slices: Tensor, located: Located) -> Tensor:
        """Return what the U-Net sees of (batch, 1, *matrix_size) slices.

        (batch, 1, *input_size) float32.
        """
        raise NotImplementedError

    def way_back(self, located: Located) -> Callable[[list[Tensor]], list[Tensor]]:
        """Return what brings the logits of levels back to the frame of the slice.

        It maps each (batch, classes, ...), where the U-Net looked, to (batch, classes,
        *size), where size is ``returned_size``.
        """
        raise NotImplementedError

    def segment(self, slices: Tensor, located: Located) -> Tensor | list[Tensor]:
        """Segment slices that have been located.

        Args:
            slices: (batch, 1, *matrix_size), normalised CT.
            located: of these slices.

        Returns:
            (batch, classes, *matrix_size) in the frame of the slice; with deep
            supervision a list, halving the size from level to level, without the lowest
            level, to which nnU-Net's loss gives no weight.
        """
        # In this order: autograd adds gradients up in the order of making, to the bit.
        view = self.view(slices, located)
        bring_back = self.way_back(located)
        logits = self.unet(view)
        if isinstance(logits, Tensor):
            return bring_back([logits])[0]
        return bring_back(logits[:-1] or logits)

    def returned_size(self, logits: Tensor) -> Size:
        """Size in pixels of logits (batch, classes, ...) in the slice's frame."""
        sides = zip(self.matrix_size, logits.shape[2:], self.input_size, strict=True)
        return tuple(round(whole * part / seen) for whole, part, seen in sides)


class PlainNetwork(nn.Module):
    """A network without front end as a ``SliceSegmenter``.

    Args:
        network: maps (batch, 1, *size) to logits (batch, classes, *size).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def locate(
        self, slices: Tensor, oracle_input: Supervision | None = None
    ) -> Located:
        """Return that (n, 1, *size) slices are seen as they are."""
        return Located.unmoved(len(slices), slices.ndim - 2)

    def segment(self, slices: Tensor, located: Located) -> Tensor:
        """Return the network's answer to (batch, 1, *size)."""
        return self.network(slices)


def slice_segmenter(network: nn.Module) -> LocatingUNet | PlainNetwork:
    """Return a network of nnU-Net's plans as a ``SliceSegmenter``."""
    return network if isinstance(network, LocatingUNet) else PlainNetwork(network)
