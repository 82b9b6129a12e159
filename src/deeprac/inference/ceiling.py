"""What a run could reach at best: a perfect U-Net behind its own sampling."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deeprac.evaluation.metrics.overlap import overlap
from deeprac.evaluation.metrics.regions import regions_of
from deeprac.inference.predictor import Predictor
from deeprac.inference.slice_predictor import SlicePredictor
from deeprac.labels import FOREGROUND
from deeprac.networks.front_end import Located
from deeprac.networks.locating_unet import LocatingUNet
from deeprac.networks.stn_unet import BACKGROUND_LOGIT


@torch.inference_mode()
def ceiling(
    predictor: Predictor,
    reference: NDArray,
    spacing: tuple[float, ...],
    located: Located,
) -> dict[str, float]:
    """Dice of a U-Net that answers every pixel of its input rightly.

    It sees the labels' shares as its network sees the image: on the matrix, through
    size, pose and crop. In every pixel it answers the label of the largest share, and
    its answer returns as logits do. What the U-Net does not see is answered as the run
    answers it: as background or by its coarse segmentation. So the Dice that a run
    lacks to this is the network's fault, the rest the sampling's.

    Args:
        predictor: of the run.
        reference: (slices, height, width) true label numbers on the native grid.
        spacing: (z, y, x) in millimetres.
        located: where the run looked in this case.

    Returns:
        By title, kidney and tumour; NaN where the case has none, and where nnU-Net's
        own plan cuts slices into patches, which are not followed here.
    """
    if not isinstance(predictor, SlicePredictor):
        return {label.title: float("nan") for label in FOREGROUND}
    answer = np.empty_like(reference)
    properties = {"native_shape": reference.shape, "spacing": spacing}
    for part in predictor.parts(len(reference)):
        shares = predictor.shares(reference[part], properties)
        logits = _answered(predictor.network, shares, located[part])
        native = predictor.to_native(logits, properties)
        answer[part] = native.argmax(1).cpu().numpy()
    regions = {region.title: region for region in regions_of(predictor.labels)}
    return {
        label.title: overlap(
            regions[label.title].mask(answer), regions[label.title].mask(reference)
        ).dice
        for label in FOREGROUND
    }


def _answered(network: torch.nn.Module, shares: Tensor, located: Located) -> Tensor:
    if not isinstance(network, LocatingUNet):
        return _certain(shares)
    # Beyond the slice all shares are the same, of which the first is background.
    logits = _certain(network.view(shares, located))
    return network.way_back(located)([logits])[0]


def _certain(shares: Tensor) -> Tensor:
    """Logits of the largest share, those of the front end's own background."""
    one_hot = functional.one_hot(shares.argmax(1), shares.shape[1])
    return BACKGROUND_LOGIT * one_hot.movedim(-1, 1).float()
