"""The sections of the configuration as frozen dataclasses, one per concern.

The schema has checked names, types and ranges; the constructors check what one key of
a section says about another.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from deeprac.errors import ConfigError
from deeprac.front_ends import FRONT_ENDS, LABARBERA, NONE, FrontEnd, front_end_of
from deeprac.labels import (
    DEFAULT_NUMBERS,
    KIDNEY_AND_TUMOUR,
    CohortLabels,
    plain_name,
)

PLANNED = "planned"
"""Size of a matrix that leaves spacing and patch to nnU-Net's own planner."""

SUPERIORITY, NON_INFERIORITY = "superiority", "non_inferiority"
"""What the test of a planned comparison is of."""

RESERVED = (
    "benchmarks",
    "cohort",
    "figures",
    "logs",
    "preprocessed",
    "summary",
    "tables",
)
"""Sub-folders of a cohort's results that no experiment may be named after."""


@dataclass(frozen=True)
class PhantomConfig:
    """Size and variety of a generated phantom cohort."""

    cases: int
    matrix: int
    slice_spacing_mm: tuple[float, float]
    bilateral_share: float
    seed: int

    def __post_init__(self) -> None:
        smallest, largest = self.slice_spacing_mm
        if smallest > largest:
            raise ConfigError(
                f"cohort.phantom.slice_spacing_mm is [{smallest}, {largest}]: the "
                "smaller distance comes first. Swap the two."
            )


@dataclass(frozen=True)
class FetchConfig:
    """Where ``deeprac cohort fetch`` gets a public cohort, and how much of it."""

    source: str
    licence: str | None
    mirror: str | None
    parallel: int
    cases: int | tuple[str, ...] | None

    def __post_init__(self) -> None:
        if self.mirror and not self.mirror.startswith(("http://", "https://")):
            raise ConfigError(
                f"cohort.fetch.mirror is {self.mirror!r}: it must begin with http:// "
                "or https://. Files on a disk need no fetching: set cohort.path."
            )


@dataclass(frozen=True)
class SeriesConfig:
    """Which DICOM series and which of its segmentations make a case."""

    slice_spacing_mm: tuple[float, float]
    prefer: str
    description: str | None
    segmentations: str

    def __post_init__(self) -> None:
        smallest, largest = self.slice_spacing_mm
        if smallest > largest:
            raise ConfigError(
                f"cohort.series.slice_spacing_mm is [{smallest}, {largest}]: the "
                "smaller distance comes first. Swap the two."
            )
        try:
            re.compile(self.description or "")
        except re.error as error:
            raise ConfigError(
                f"cohort.series.description is no regular expression ({error}). "
                "Correct it."
            ) from error


@dataclass(frozen=True)
class CohortConfig:
    """Where the cases come from and what their values and labels mean."""

    name: str
    format: str
    path: Path | None
    patients: Path | None
    annotation: str | int
    label_numbers: dict[str, int] | None
    labels: dict[str, tuple[str, ...]]
    pseudonyms: bool
    private: Path
    intensity: str
    air: float
    series: SeriesConfig
    phantom: PhantomConfig
    fetch: FetchConfig

    def __post_init__(self) -> None:
        if self.name == "released":
            raise ConfigError(
                "cohort.name is released: that folder of the results is for released "
                "results. Choose another name for the cohort."
            )
        if self.format != "phantom" and self.path is None:
            raise ConfigError(
                f"cohort.path is missing: format {self.format!r} reads a folder. "
                "Set cohort.path to it."
            )
        if len(self.number_names) < len(self.label_numbers or DEFAULT_NUMBERS):
            raise ConfigError(
                f"cohort.label_numbers is {self.label_numbers}: two names have one "
                "number. Give each number one name."
            )
        named = self.format in ("phantom", "kits", "totalsegmentator")
        if named and self.label_numbers not in (None, DEFAULT_NUMBERS):
            raise ConfigError(
                f"cohort.label_numbers is {self.label_numbers}, but format "
                f"{self.format!r} says itself what its labels show. Leave it out."
            )
        titles: dict[str, str] = {}
        for title, names in self.labels.items():
            for name in names:
                first = titles.setdefault(plain_name(name), title)
                if first != title:
                    raise ConfigError(
                        f"cohort.labels: {name!r} is named under {first} and {title} "
                        "(case, _ and - make no difference). Name it once."
                    )
        sides = {bool(self.labels.get(f"kidney_{side}")) for side in ("left", "right")}
        if sides != {not self.labels.get("kidney")}:
            raise ConfigError(
                "cohort.labels names either kidney, or kidney_left and kidney_right. "
                "Give names to the one or to the other two, and [] to the rest."
            )
        if self.format == "phantom" and self.kept_labels != KIDNEY_AND_TUMOUR:
            raise ConfigError(
                "cohort.labels asks for cysts or for kidneys left and right: a phantom "
                "has neither. Leave these names out."
            )

    @property
    def kept_labels(self) -> CohortLabels:
        """The labels of the cohort's label maps."""
        return CohortLabels.named(self.labels)

    @property
    def number_names(self) -> dict[int, str]:
        """Names of the numbers in label maps that come without names."""
        numbers = self.label_numbers or DEFAULT_NUMBERS
        return {number: name for name, number in numbers.items()}


@dataclass(frozen=True)
class SplitsConfig:
    """Number of cross-validation folds and the seed that draws them."""

    folds: int
    seed: int


@dataclass(frozen=True)
class MatrixConfig:
    """In-plane size of the slices in pixels, or ``PLANNED``, and the batch size."""

    size: int | str
    batch_size: int


@dataclass(frozen=True)
class Method:
    """One way to segment: normaliser, crop, augmentation and network input."""

    name: str
    label: str
    description: str
    citation: str
    normaliser: str
    crop: str
    augment: bool
    augment_scale: tuple[float, float]
    network_input: float

    def __post_init__(self) -> None:
        smallest, largest = self.augment_scale
        if smallest > largest:
            raise ConfigError(
                f"methods.{self.name}.augment_scale is [{smallest}, {largest}]: the "
                "smaller factor comes first. Swap the two."
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
        return not self.has_front_end and not self.augment


@dataclass(frozen=True)
class Experiment:
    """A method at a matrix: one row of the tables."""

    name: str
    matrix: str
    method: str
    published: str | None
    training_patients: int | None

    def __post_init__(self) -> None:
        if self.name in RESERVED:
            raise ConfigError(
                f"experiments: {self.name} is the name of a folder of the results. "
                "Choose another name for the experiment."
            )


@dataclass(frozen=True)
class RunConfig:
    """Which experiments, folds and seeds are run."""

    experiments: tuple[str, ...]
    folds: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the U-Net; depth follows from its input size."""

    base_features: int
    max_features: int
    convs_per_stage: int
    min_feature_map: int


@dataclass(frozen=True)
class LocaliserConfig:
    """Bounds, size and losses of the Spatial Transformer front end."""

    input_size: int
    base_features: int
    canonical_radius: float
    max_log_scale: float
    max_angle_deg: float
    max_shift: float
    crop_margin: float
    pose_weight: float
    warp_share: float
    coarse_weight: float
    coverage_weight: float
    residual_weight: float
    segmentation_gradient: float
    learning_rate_factor: float


@dataclass(frozen=True)
class LaBarberaConfig:
    """Schedule of La Barbera's Spatial Transformers."""

    epochs: int
    learning_rate: float


@dataclass(frozen=True)
class StressConfig:
    """How test images are turned, zoomed and shifted, and for which experiments."""

    experiments: tuple[str, ...]
    angles_deg: tuple[float, ...]
    scales: tuple[float, ...]
    shifts: tuple[float, ...]


@dataclass(frozen=True)
class TrainingConfig:
    """Schedule, optimiser and device; the same for every method."""

    device: str
    epochs: int
    iterations_per_epoch: int
    validation_iterations: int
    optimiser: str
    learning_rate: float
    weight_decay: float
    oversample_foreground: float
    data_workers: int
    checkpoint_every: int


@dataclass(frozen=True)
class InferenceConfig:
    """Batch size in slices and test-time mirroring; the same for every method."""

    batch_size: int
    mirroring: bool


@dataclass(frozen=True)
class Comparison:
    """A planned comparison of two methods; see ``docs/statistics.md``."""

    method: str
    reference: str
    test: str

    def __post_init__(self) -> None:
        if self.method == self.reference:
            raise ConfigError(
                f"statistics.comparisons: {self.method} is compared with itself. Name "
                "another reference."
            )

    def __str__(self) -> str:
        return f"{self.method} against {self.reference}"


@dataclass(frozen=True)
class StatisticsConfig:
    """Conventions, thresholds and comparisons that are fixed before the runs."""

    empty_labels: str
    failure_dice: float
    margin: float
    comparisons: tuple[Comparison, ...]

    def __post_init__(self) -> None:
        pairs = [(row.method, row.reference) for row in self.comparisons]
        for row in self.comparisons:
            if pairs.count((row.method, row.reference)) > 1:
                raise ConfigError(
                    f"statistics.comparisons has {row} twice. Keep one test of it."
                )


@dataclass(frozen=True)
class FiguresConfig:
    """Display window and number of patients in the figures."""

    window_hu: tuple[float, float]
    cases: int

    def __post_init__(self) -> None:
        low, high = self.window_hu
        if low >= high:
            raise ConfigError(
                f"figures.window_hu is [{low}, {high}]: the lower limit comes first. "
                "Swap the two."
            )


@dataclass(frozen=True)
class ReportConfig:
    """What tables and the report page say besides the numbers, and their size."""

    notes: tuple[str, ...]
    size_mb: float
    pixels: int
