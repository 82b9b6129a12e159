"""Settings of a run: folds and seeds, networks, schedule and inference."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SplitsConfig:
    """Number of cross-validation folds, and the seed that draws them or their file."""

    folds: int
    seed: int
    file: Path | None


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
    clutter_share: float
    truncation_share: float
    coarse_weight: float
    coverage_weight: float
    residual_weight: float
    segmentation_gradient: float
    learning_rate_factor: float
    coarse_learning_rate_factor: float
    max_gradient: float


@dataclass(frozen=True)
class LaBarberaConfig:
    """Schedule of La Barbera's Spatial Transformers."""

    epochs: int
    learning_rate: float


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
    truncation_share: float
    data_workers: int
    capture: str | bool
    checkpoint_every: int
    checkpoint_minutes: float
    time_limit_minutes: int | None
    retrain: bool


MACHINE_KEYS = (
    *("device", "data_workers", "capture"),
    *("checkpoint_every", "checkpoint_minutes", "time_limit_minutes", "retrain"),
)
"""Training settings that say where and how safely a run is computed, not what."""


@dataclass(frozen=True)
class InferenceConfig:
    """Batch size in slices and test-time mirroring; the same for every method."""

    batch_size: int
    mirroring: bool
