"""The weights with which a training starts where it does not start from scratch."""

from pathlib import Path

from torch import nn

from deeprac.errors import RunError
from deeprac.training.checkpoint import WEIGHTS, read_checkpoint

HEADS = ".seg_layers."
"""In the names of the weights of segmentation heads: nnU-Net's own rule."""

SHOWN = 3
"""Weights that a message names."""


def load_pretrained(network: nn.Module, path: Path, *, heads: bool) -> None:
    """Give a network the weights of another training, in place.

    As nnU-Net's ``load_pretrained_weights`` does, without running what the file holds;
    buffers, such as a window's calibrated size, come along.

    Args:
        network: of the same architecture, initialised.
        path: final checkpoint of the other training.
        heads: whether segmentation heads come along; otherwise they start afresh.

    Raises:
        RunError: the file is no checkpoint, or of another architecture.
    """
    given, own = read_checkpoint(path)[WEIGHTS], network.state_dict()
    missing = [f"{name} in one only" for name in sorted(own.keys() ^ given.keys())]
    taken = [name for name in own if heads or HEADS not in name]
    others = [
        f"{name} {tuple(given[name].shape)} -> {tuple(own[name].shape)}"
        for name in taken
        if name in given and given[name].shape != own[name].shape
    ]
    if found := missing + others:
        raise RunError(
            f"A network starts from weights of the same architecture, but those of "
            f"{path} differ in {len(found)}: {'; '.join(found[:SHOWN])}. Train both "
            "with the same sizes, labels and dimensions."
        )
    network.load_state_dict(own | {name: given[name] for name in taken})
