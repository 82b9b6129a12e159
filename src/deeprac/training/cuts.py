"""Training volumes whose field of view ends early, for every method alike."""

from collections.abc import Mapping
from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from torch import Tensor

from deeprac.fitting import SPACE
from deeprac.networks.truncation import draw_seen


class CutOff(BasicTransform):
    """Cut slices off a volume above and below, of image and labels alike.

    Without it a U-Net meets a body that ends in air beside the kidneys only at test.

    Args:
        share: of the volumes that are cut, 0 to 1.
        air: value of air in the normalised volumes.
    """

    def __init__(self, share: float, *, air: float) -> None:
        super().__init__()
        self.share, self.air = share, air

    def get_parameters(self, **data: Any) -> dict[str, Any]:
        """Draw which slices of (1, depth, height, width) are seen; see nnU-Net."""
        return {"seen": draw_seen(data["image"][None], self.share, self.air)[0]}

    def _apply_to_image(self, img: Tensor, **drawn: Any) -> Tensor:
        return torch.where(drawn["seen"][..., None, None], img, self.air)

    def _apply_to_segmentation(self, segmentation: Tensor, **drawn: Any) -> Tensor:
        return torch.where(drawn["seen"][..., None, None], segmentation, 0)


def with_cuts(
    transforms: ComposeTransforms, settings: Mapping[str, Any], dimensions: int
) -> ComposeTransforms:
    """Cut volumes off before anything else is done to them; slices stay.

    Args:
        transforms: of training.
        settings: the plans' ``deeprac`` section.
        dimensions: 2, or 3 of volumes.
    """
    # Plans from before it existed do not name it.
    share = settings["training"].get("truncation_share", 0.0)
    if dimensions != SPACE or not share:
        return transforms
    cut = CutOff(share, air=settings["normalised_air"])
    return ComposeTransforms([cut, *transforms.transforms])
