"""Settings of matrices, methods and experiments: the rows of the tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeprac.errors import ConfigError
from deeprac.fitting import PLANE, size_text
from deeprac.front_ends import (
    ASPECTS,
    FRONT_ENDS,
    LABARBERA,
    NONE,
    FrontEnd,
    front_end_of,
)
from deeprac.settings import require_order

PLANNED = "planned"
"""Size of a matrix that leaves spacing and patch to nnU-Net's own planner."""

SVF = "svf"
"""Value of ``augment`` that deforms slices by random velocity fields as well."""

SCRATCH, FINE_TUNED, ZERO_SHOT = "scratch", "fine-tuned", "zero-shot"
POOLED, REHEARSAL = "pooled", "rehearsal"
"""Schedules of a method: see ``Method.schedule``."""

RESERVED = {
    *("benchmarks", "bundles", "cohort", "figures", "logs"),
    *("preprocessed", "summary", "tables"),
}
"""Sub-folders of a cohort's results that no experiment may be named after."""


@dataclass(frozen=True)
class MatrixConfig:
    """In-plane size of the slices in pixels, or ``PLANNED``, and the batch size.

    With three dimensions the size is that of volumes in voxels, one side or (depth,
    height, width), or ``PLANNED``, and a batch counts volumes.
    """

    size: int | str | tuple[int, ...]
    batch_size: int
    dimensions: int

    def __post_init__(self) -> None:
        if self.dimensions == PLANE and isinstance(self.size, tuple):
            raise ConfigError(
                f"matrices: size {list(self.size)} with dimensions 2: slices have one "
                "side. Give that, or set dimensions to 3."
            )

    @property
    def sides(self) -> tuple[int, ...]:
        """(height, width) of a matrix with a size, or (depth, height, width)."""
        if isinstance(self.size, tuple):
            return self.size
        return (int(self.size),) * self.dimensions

    @property
    def size_text(self) -> str:
        """The size as one word."""
        return size_text(self.size) if isinstance(self.size, tuple) else str(self.size)


@dataclass(frozen=True)
class Method:
    """One way to segment: normaliser, crop, augmentation, input, start of weights.

    ``other_share`` is named after what it draws, not after what comes of it: pooled
    training where the weights start afresh, rehearsal where they start from a network
    of the other cohort.
    """

    name: str
    label: str
    description: str
    citation: str
    normaliser: str
    crop: str
    augment: bool | str
    augment_scale: tuple[float, float]
    augment_svf: dict[str, float]
    network_input: float
    crop_size: str
    localiser: dict[str, Any]
    pretrain: str | None
    zero_shot: bool
    other_share: float | None
    learning_rate_factor: float

    def __post_init__(self) -> None:
        key = f"methods.{self.name}.augment_scale"
        require_order(key, self.augment_scale, "smaller factor")
        strength, smoothness = (
            self.augment_svf[key] for key in ("displacement", "smoothness")
        )
        if strength > smoothness / 2:
            raise ConfigError(
                f"methods.{self.name}.augment_svf.displacement is {strength}, more "
                f"than half of smoothness, {smoothness}: many fields would fold. Lower "
                "the one or raise the other."
            )
        others = {self.normaliser, self.crop} - {NONE, LABARBERA}
        if LABARBERA in (self.normaliser, self.crop) and others:
            raise ConfigError(
                f"methods.{self.name} mixes stn_labarbera with {', '.join(others)}: "
                "the authors' network is kept apart. Use none or stn_labarbera for "
                "normaliser and crop alike."
            )
        if self.network_input < 1 and self.crop == "none":
            raise ConfigError(
                f"methods.{self.name}.network_input is {self.network_input}: without a "
                "crop the network input is the whole slice. Set it to 1, or set crop."
            )
        if self.localiser and self.front_end.section != "localiser":
            raise ConfigError(
                f"methods.{self.name}.localiser is given, but the method has none. "
                "Leave it out."
            )
        if "canonical_radius" in self.localiser:
            raise ConfigError(
                f"methods.{self.name}.localiser.canonical_radius is given, but the "
                "poses of the cohort are measured once, for all methods. Set "
                "localiser.canonical_radius."
            )
        self._check_pretraining()

    def _check_pretraining(self) -> None:
        for key in ("pretrain", "other_share"):
            value = getattr(self, key)
            if value and LABARBERA in (self.normaliser, self.crop):
                raise ConfigError(
                    f"methods.{self.name}.{key} is {value}, but the authors' network "
                    f"trains in stages of its own. Leave {key} out."
                )
        if self.zero_shot and not self.pretrain:
            raise ConfigError(
                f"methods.{self.name}.zero_shot is true, but there is no pretrained "
                "network to predict with. Set pretrain, or leave zero_shot out."
            )
        for key, without in (("learning_rate_factor", 1), ("other_share", None)):
            value = getattr(self, key)
            if self.zero_shot and value != without:
                raise ConfigError(
                    f"methods.{self.name}.{key} is {value:g}, but zero_shot trains "
                    "nothing. Leave one of them out."
                )

    @property
    def schedule(self) -> str:
        """How the weights come about: one of the schedules."""
        if self.zero_shot:
            return ZERO_SHOT
        if self.other_share is None:
            return FINE_TUNED if self.pretrain else SCRATCH
        return REHEARSAL if self.pretrain else POOLED

    @property
    def takes_from_another(self) -> bool:
        """Whether weights or training slices are of another cohort."""
        return self.schedule != SCRATCH

    @property
    def input_shares(self) -> tuple[float, float]:
        """Height and width of the network's input as shares of the matrix."""
        aspect = ASPECTS.get(self.crop, 1.0)
        return self.network_input * aspect, self.network_input

    @property
    def front_end(self) -> FrontEnd:
        """What stands before the U-Net."""
        return front_end_of(self.normaliser, self.crop)

    @property
    def has_front_end(self) -> bool:
        """Whether anything but the slice itself reaches the U-Net."""
        return self.front_end is not FRONT_ENDS["none"]

    @property
    def is_plain(self) -> bool:
        """Whether this is nnU-Net alone, the reference of all ratios."""
        return not self.has_front_end and not self.augment and self.schedule == SCRATCH


@dataclass(frozen=True)
class Experiment:
    """A method at a matrix: one row of the tables."""

    name: str
    matrix: str
    method: str
    published: str | None
    training_patients: int | None
    epochs: int | None
    other_results: Path | None

    def __post_init__(self) -> None:
        if self.name in RESERVED:
            raise ConfigError(
                f"experiments: {self.name} is the name of a folder of the results. "
                "Choose another name for the experiment."
            )
