"""What may stand before a U-Net, kind by kind: one table, without torch.

A method names two *parts*, a normaliser and a crop, which make a front end. A new kind
is one row here, a network and, where nnU-Net's training does not do, a trainer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NONE = "none"
ORACLE = "oracle"
CASE_POSE = "case_pose"
LABARBERA = "stn_labarbera"


@dataclass(frozen=True)
class FrontEnd:
    """One kind of front end.

    Attributes:
        parts: normalisers and crops that it is made of.
        network: dotted path of the network, as nnU-Net's plans name it.
        trainer: dotted path of the nnUNetTrainer.
        section: section of the configuration with its settings; None without any.
        is_supervised: whether its training reads ``case_poses.csv``.
        arguments: what its network is made with beside sizes and the U-Net's shape:
            of normaliser, crop, settings and the normalised value of air.
    """

    parts: frozenset[str]
    network: str
    trainer: str
    section: str | None
    is_supervised: bool
    arguments: Callable[[str, str, dict[str, Any], float], dict[str, Any]]


FRONT_ENDS = {
    "none": FrontEnd(
        parts=frozenset({NONE}),
        network="dynamic_network_architectures.architectures.unet.PlainConvUNet",
        trainer="deeprac.training.trainer.DeepracTrainer",
        section=None,
        is_supervised=False,
        arguments=lambda *_: {},
    ),
    "stn": FrontEnd(
        parts=frozenset(
            {NONE, "moments", "moments_jitter", "stn", ORACLE, CASE_POSE, "sham"}
            | {"moments_size", "moments_angle", "moments_position"}
            | {"coarse", "stn_rectangle", "oracle_rectangle"}
        ),
        network="deeprac.networks.stn_unet.STNUNet",
        trainer="deeprac.training.stn.STNTrainer",
        section="localiser",
        is_supervised=True,
        arguments=lambda normaliser, crop, settings, air: {
            "air": air,
            "normaliser": normaliser,
            "crop": crop,
            "localiser": settings,
        },
    ),
    "labarbera": FrontEnd(
        parts=frozenset({NONE, LABARBERA}),
        network="deeprac.networks.labarbera.LaBarberaUNet",
        trainer="deeprac.training.labarbera.LaBarberaTrainer",
        section="labarbera",
        is_supervised=False,
        arguments=lambda normaliser, crop, *_: {
            "normalise": normaliser != NONE,
            "crop": crop != NONE,
        },
    ),
}
"""By name; the first that has both parts of a method is the method's."""


SPATIAL_NORMALISERS = frozenset({NONE, "moments", "stn", ORACLE, CASE_POSE})
"""Normalisers that work on volumes as well."""

SPATIAL_CROPS = frozenset({NONE, "stn"})
"""Crops that work on volumes as well."""

LEARNED_CROPS = ("stn", "stn_rectangle")
"""Crops that are learned by gradient."""

ASPECTS = {"stn_rectangle": 0.5, "oracle_rectangle": 0.5}
"""Height over width of the windows of crops that are no squares. Once the pose is
normalised, both kidneys lie side by side."""


def front_end_of(normaliser: str, crop: str) -> FrontEnd:
    """Return the front end that a method's parts make.

    Example:
        >>> front_end_of("stn", "none").section
        'localiser'
    """
    return next(
        kind for kind in FRONT_ENDS.values() if {normaliser, crop} <= kind.parts
    )


def planned_parts(settings: Mapping[str, Any]) -> tuple[str, str]:
    """Return normaliser and crop of a run.

    Args:
        settings: the plans' ``deeprac`` section; without front end its entry is None.
    """
    planned = settings["front_end"] or {}
    return planned.get("normaliser", NONE), planned.get("crop", NONE)


def has_oracle(normaliser: str, crop: str) -> bool:
    """Whether inference is told what ``case_poses.csv`` says, as no method may be."""
    told = {ORACLE, "oracle_rectangle", CASE_POSE}
    return not told.isdisjoint((normaliser, crop))
