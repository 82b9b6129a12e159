"""The configuration: YAML outside, frozen dataclasses inside.

Defaults are written once, in ``workflow/schemas/config.schema.yaml``; the schema checks
names, types and ranges, and the constructors here check what one key says about
another.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deeprac import schema
from deeprac.errors import ConfigError

AVAILABLE = {"normaliser": ("none", "stn"), "crop": ("none", "stn")}
"""What this version implements of the kinds of normaliser and crop."""

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
class CohortConfig:
    """Where the cases come from and what their values and labels mean."""

    name: str
    format: str
    path: Path | None
    patients: Path | None
    labels: dict[str, tuple[str, ...]]
    intensity: str
    air: float
    phantom: PhantomConfig

    def __post_init__(self) -> None:
        if self.format != "phantom" and self.path is None:
            raise ConfigError(
                f"cohort.path is missing: format {self.format!r} reads a folder. "
                "Set cohort.path to it."
            )
        both = set(self.labels["kidney"]) & set(self.labels["tumour"])
        if both:
            raise ConfigError(
                f"cohort.labels: {', '.join(sorted(both))} is both kidney and tumour. "
                "Name it once."
            )


@dataclass(frozen=True)
class SplitsConfig:
    """Number of cross-validation folds and the seed that draws them."""

    folds: int
    seed: int


@dataclass(frozen=True)
class MatrixConfig:
    """In-plane size of the slices in pixels and the training batch size."""

    size: int
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
    network_input: float

    def __post_init__(self) -> None:
        for field, available in AVAILABLE.items():
            value = getattr(self, field)
            if value not in available:
                raise ConfigError(
                    f"methods.{self.name}.{field} is {value!r}: this version offers "
                    f"{', '.join(available)}. Choose one of these."
                )
        if self.network_input < 1 and self.crop == "none":
            raise ConfigError(
                f"methods.{self.name}.network_input is {self.network_input}: without a "
                "crop the network input is the whole slice. Set it to 1, or set crop."
            )

    @property
    def is_plain(self) -> bool:
        """Whether this is nnU-Net alone, the reference of all ratios."""
        parts = (self.normaliser, self.crop)
        return parts == ("none", "none") and not self.augment


@dataclass(frozen=True)
class Experiment:
    """A method at a matrix: one row of the tables."""

    name: str
    matrix: str
    method: str
    published: str | None

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
    mask_weight: float
    coarse_weight: float
    coverage_weight: float
    residual_weight: float
    learning_rate_factor: float


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
class Config:
    """The whole configuration, checked."""

    results: Path
    cohort: CohortConfig
    splits: SplitsConfig
    matrices: dict[str, MatrixConfig]
    methods: dict[str, Method]
    experiments: dict[str, Experiment]
    run: RunConfig
    network: NetworkConfig
    localiser: LocaliserConfig
    training: TrainingConfig
    inference: InferenceConfig
    figures: FiguresConfig

    def __post_init__(self) -> None:
        errors = [
            *self._unknown_names(),
            *self._impossible_folds(),
            *self._misfits(),
        ]
        if errors:
            raise ConfigError(_listed(errors))

    @classmethod
    def from_resolved(cls, resolved: dict[str, Any]) -> "Config":
        """Build the configuration from what ``resolve`` returned.

        Raises:
            ConfigError: keys that contradict each other; all are listed.
        """
        return _build(resolved)

    def network_input_size(self, experiment: str) -> int:
        """Side of the U-Net's input of an experiment in pixels."""
        row = self.experiments[experiment]
        size = self.matrices[row.matrix].size * self.methods[row.method].network_input
        return round(size)

    def _unknown_names(self) -> list[str]:
        errors = []
        for row in self.experiments.values():
            for field, known in (("matrix", self.matrices), ("method", self.methods)):
                name = getattr(row, field)
                if name not in known:
                    errors.append(
                        f"experiments: {row.name} has the unknown {field} {name!r}; "
                        f"known are {', '.join(known)}"
                    )
        errors += [
            f"run.experiments: {name!r} is unknown; known are "
            f"{', '.join(self.experiments)}"
            for name in self.run.experiments
            if name not in self.experiments
        ]
        return errors

    def _impossible_folds(self) -> list[str]:
        folds = self.splits.folds
        errors = [
            f"run.folds: there is no fold {fold}; splits.folds is {folds}, so folds "
            f"are 0 to {folds - 1}"
            for fold in self.run.folds
            if fold >= folds
        ]
        cases = self.cohort.phantom.cases
        if self.cohort.format == "phantom" and cases < folds:
            errors.append(
                f"cohort.phantom.cases is {cases}: fewer patients than the {folds} "
                "folds of splits.folds. Raise the one or lower the other"
            )
        return errors

    def _misfits(self) -> list[str]:
        """Say which experiments' network inputs the U-Net cannot halve."""
        errors = {}
        for row in self.experiments.values():
            matrix, method = self.matrices.get(row.matrix), self.methods.get(row.method)
            if matrix is None or method is None:
                continue
            size = matrix.size * method.network_input
            if not fits(size, self.network.min_feature_map):
                errors[row.matrix, method.network_input] = (
                    f"matrices.{row.matrix}.size is {matrix.size}: experiment "
                    f"{row.name} gives its U-Net {size:g} pixels "
                    f"(network_input {method.network_input:g}), which "
                    f"{_why_not(size, self.network.min_feature_map)}. Use "
                    f"{_nearest_fit(size, self.network.min_feature_map)} pixels"
                )
        return list(errors.values())

    def experiment(self, name: str) -> Experiment:
        """Return an experiment by name.

        Raises:
            ConfigError: there is none of that name.
        """
        if name not in self.experiments:
            raise ConfigError(
                f"There is no experiment {name!r}. The table of experiments has: "
                f"{', '.join(self.experiments)}."
            )
        return self.experiments[name]


def unet_stages(input_size: int, min_feature_map: int) -> int:
    """Return the number of resolutions of a U-Net on a square input.

    The input is halved while the half still has ``min_feature_map`` pixels.

    Example:
        >>> unet_stages(128, 4)
        6
    """
    stages = 1
    while input_size / 2**stages >= min_feature_map:
        stages += 1
    return stages


def fits(input_size: float, min_feature_map: int) -> bool:
    """Say whether a U-Net can halve its input at least once, each time evenly."""
    if input_size != round(input_size) or input_size < 2 * min_feature_map:
        return False
    return round(input_size) % 2 ** (unet_stages(input_size, min_feature_map) - 1) == 0


def _why_not(size: float, min_feature_map: int) -> str:
    if size != round(size):
        return "is not a whole number"
    if size < 2 * min_feature_map:
        return (
            f"is too small for the network (network.min_feature_map "
            f"{min_feature_map} asks for at least {2 * min_feature_map})"
        )
    halvings = unet_stages(size, min_feature_map) - 1
    return f"cannot be halved evenly {halvings} times"


def _nearest_fit(size: float, min_feature_map: int) -> int:
    start = max(round(size), 2 * min_feature_map)
    candidates = range(2 * min_feature_map, 2 * start + 1)
    return min(
        (option for option in candidates if fits(option, min_feature_map)),
        key=lambda option: abs(option - size),
    )


def load_config(paths: list[Path]) -> Config:
    """Read, merge and check configuration files.

    Args:
        paths: YAML or JSON files; later ones change earlier ones, and all change the
            schema's defaults. Paths inside them are relative to the working directory.

    Raises:
        ConfigError: with every offending key, its value and what is allowed.
    """
    return Config.from_resolved(resolve(read_raw(paths)))


def read_raw(paths: list[Path]) -> dict[str, Any]:
    """Read and merge configuration files, unchecked and without defaults."""
    raw: dict[str, Any] = {}
    for path in paths:
        raw = schema.merge(raw, _read_mapping(path, "configuration"))
    return raw


def resolve(raw: dict[str, Any]) -> dict[str, Any]:
    """Fill in defaults, read methods and experiments, and check every key.

    Args:
        raw: what the user wrote; it may be resolved already.

    Returns:
        A plain, JSON-able dictionary with every key; ``Config.from_resolved`` reads it.

    Raises:
        ConfigError: with every offending key, its value and what is allowed.
    """
    resolved = schema.merge(schema.defaults(schema.load_schema()), raw)
    _raise_if(schema.problems(resolved))
    methods = _methods(resolved["methods"])
    rows = _experiments(resolved["experiments"])
    errors = []
    for name, method in methods.items():
        errors += schema.problems(method, "method", f"methods.{name}")
    for index, row in enumerate(rows):
        name = row.get("experiment", index)
        errors += schema.problems(row, "experiment", f"experiments.{name}")
    _raise_if(errors)
    names = [row["experiment"] for row in rows]
    _raise_if(
        [
            f"experiments: {name} is there twice"
            for name in set(names)
            if names.count(name) > 1
        ]
    )
    run = resolved["run"]
    run["experiments"] = names if run["experiments"] == "all" else run["experiments"]
    everything = list(range(resolved["splits"]["folds"]))
    run["folds"] = everything if run["folds"] == "all" else sorted(run["folds"])
    resolved |= {"methods": methods, "experiments": rows}
    Config.from_resolved(resolved)
    return resolved


def _methods(value: str | dict[str, Any]) -> dict[str, Any]:
    methods = (
        value if isinstance(value, dict) else _read_mapping(Path(value), "methods")
    )
    default = schema.defaults(schema.load_schema()["$defs"]["method"])
    return {
        str(name): default | method if isinstance(method, dict) else method
        for name, method in methods.items()
    }


def _experiments(value: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = value
    if isinstance(value, str):
        lines = _read(Path(value), "experiments").splitlines()
        reader = csv.DictReader(lines, delimiter="\t", restkey="(too many columns)")
        rows = list(reader)
        if not rows:
            raise ConfigError(f"experiments: {value} has no rows. Add at least one.")
    default = schema.defaults(schema.load_schema()["$defs"]["experiment"])
    return [default | row | {"published": row.get("published") or None} for row in rows]


def _read(path: Path, key: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{key}: cannot read {path} ({error}). Paths are relative to the working "
            f"directory {Path.cwd()}."
        ) from error


def _read_mapping(path: Path, key: str) -> dict[str, Any]:
    text = _read(path, key)
    kind = "JSON" if Path(path).suffix == ".json" else "YAML"
    try:
        # YAML 1.1 would read JSON's 3e-05 as text.
        content = json.loads(text) if kind == "JSON" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{key}: {path} is not valid {kind}: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{key}: {path} must hold a mapping of keys, not {type(content).__name__}."
        )
    return content


def _build(resolved: dict[str, Any]) -> Config:
    """Construct all parts; collect what the constructors object to."""
    errors: list[str] = []

    def make(kind: Callable[..., Any], fields: dict[str, Any]) -> Any:
        try:
            return kind(**_frozen(fields))
        except ConfigError as error:
            errors.append(str(error))
            return None

    cohort = dict(resolved["cohort"])
    cohort["phantom"] = make(PhantomConfig, cohort["phantom"])
    cohort |= {key: _path(cohort[key]) for key in ("path", "patients")}
    cohort["labels"] = _frozen(cohort["labels"])
    parts = {
        "results": Path(resolved["results"]),
        "cohort": make(CohortConfig, cohort),
        "matrices": {
            name: make(MatrixConfig, matrix)
            for name, matrix in resolved["matrices"].items()
        },
        "methods": {
            name: make(Method, {"name": name, **method})
            for name, method in resolved["methods"].items()
        },
        "experiments": {
            row["experiment"]: make(
                Experiment,
                {"name": row["experiment"]}
                | {key: row[key] for key in ("matrix", "method", "published")},
            )
            for row in resolved["experiments"]
        },
    }
    for key, kind in _SECTIONS.items():
        parts[key] = make(kind, resolved[key])
    _raise_if(errors)
    return Config(**parts)


_SECTIONS: dict[str, type] = {
    "splits": SplitsConfig,
    "run": RunConfig,
    "network": NetworkConfig,
    "localiser": LocaliserConfig,
    "training": TrainingConfig,
    "inference": InferenceConfig,
    "figures": FiguresConfig,
}


def _frozen(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in fields.items()
    }


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)


def _raise_if(errors: list[str]) -> None:
    if errors:
        raise ConfigError(_listed(errors))


def _listed(errors: list[str]) -> str:
    if len(errors) == 1:
        return errors[0]
    return f"{len(errors)} keys are wrong:\n" + "\n".join(f"  {e}" for e in errors)
