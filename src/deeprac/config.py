"""The configuration: YAML outside, frozen dataclasses inside.

Defaults are written once, in ``workflow/schemas/config.schema.yaml``; the schema checks
names, types and ranges, and the constructors here check what one key says about
another.
"""

import csv
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeprac import schema
from deeprac.errors import ConfigError
from deeprac.fitting import fits, nearest_fit, unet_stages, why_not
from deeprac.labels import source_names
from deeprac.settings import (
    PLANNED,
    CohortConfig,
    Comparison,
    Experiment,
    FetchConfig,
    FiguresConfig,
    InferenceConfig,
    LaBarberaConfig,
    LocaliserConfig,
    MatrixConfig,
    Method,
    NetworkConfig,
    PhantomConfig,
    ReportConfig,
    RunConfig,
    SeriesConfig,
    SplitsConfig,
    StatisticsConfig,
    StressConfig,
    TrainingConfig,
)
from deeprac.shipped import own_or_shipped
from deeprac.strict import TwiceError, parse_json, parse_yaml

__all__ = [
    "PLANNED",
    "CohortConfig",
    "Comparison",
    "Config",
    "Experiment",
    "FetchConfig",
    "FiguresConfig",
    "InferenceConfig",
    "LaBarberaConfig",
    "LocaliserConfig",
    "MatrixConfig",
    "Method",
    "NetworkConfig",
    "PhantomConfig",
    "ReportConfig",
    "RunConfig",
    "SeriesConfig",
    "SplitsConfig",
    "StatisticsConfig",
    "StressConfig",
    "TrainingConfig",
    "fits",
    "load_config",
    "read_raw",
    "refuse_twice",
    "resolve",
    "unet_stages",
]


@dataclass(frozen=True)
class Config:
    """The whole configuration, checked."""

    results: Path
    metrics: str
    release: str
    cohort: CohortConfig
    splits: SplitsConfig
    matrices: dict[str, MatrixConfig]
    methods: dict[str, Method]
    experiments: dict[str, Experiment]
    run: RunConfig
    network: NetworkConfig
    localiser: LocaliserConfig
    labarbera: LaBarberaConfig
    training: TrainingConfig
    inference: InferenceConfig
    stress: StressConfig
    statistics: StatisticsConfig
    figures: FiguresConfig
    report: ReportConfig

    def __post_init__(self) -> None:
        errors = [
            *self._unknown_names(),
            *self._impossible_folds(),
            *self._misfits(),
            *self._exposed(),
            *self._mirrored_sides(),
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

    @property
    def has_released_metrics(self) -> bool:
        """Whether metrics come from a release, without images and predictions."""
        return self.metrics == "released"

    def network_input_size(self, experiment: str) -> int:
        """Side of the U-Net's input of an experiment in pixels.

        Not for a matrix that nnU-Net plans: its patch is in the plans.
        """
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
            f"{key}: {name!r} is unknown; known are {', '.join(known)}"
            for key, names, known in (
                ("run.experiments", self.run.experiments, self.experiments),
                ("stress.experiments", self.stress.experiments, self.run.experiments),
            )
            for name in names
            if name not in known
        ]
        return errors + self._unknown_comparisons()

    def _unknown_comparisons(self) -> list[str]:
        named = (
            name
            for comparison in self.statistics.comparisons
            for name in (comparison.method, comparison.reference)
        )
        unknown = [name for name in dict.fromkeys(named) if name not in self.methods]
        if not unknown:
            return []
        return [
            f"statistics.comparisons: unknown methods {', '.join(unknown)}; known are "
            f"{', '.join(self.methods)}. List the comparisons that you plan, or []"
        ]

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
            if matrix.size == PLANNED:
                if method.has_front_end:
                    errors[row.name] = (
                        f"experiments.{row.name}: matrix {row.matrix} is planned by "
                        f"nnU-Net, which cuts slices into patches, but method "
                        f"{row.method} needs whole slices. Use a method without "
                        "normaliser and crop, or a matrix with a size"
                    )
                continue
            size = matrix.size * method.network_input
            if not fits(size, self.network.min_feature_map):
                errors[row.matrix, method.network_input] = (
                    f"matrices.{row.matrix}.size is {matrix.size}: experiment "
                    f"{row.name} gives its U-Net {size:g} pixels "
                    f"(network_input {method.network_input:g}), which "
                    f"{why_not(size, self.network.min_feature_map)}. Use "
                    f"{nearest_fit(size, self.network.min_feature_map)} pixels"
                )
        return list(errors.values())

    def _exposed(self) -> list[str]:
        """Results are shared, so what is private must not lie among them."""
        if self.cohort.format == "phantom" or not self.cohort.pseudonyms:
            return []
        private, results = map(os.path.abspath, (self.cohort.private, self.results))
        if os.path.commonpath([private, results]) != results:
            return []
        return [
            f"cohort.private is {self.cohort.private}: in the folder of the results, "
            "with which it would be shared. Choose a folder outside"
        ]

    def _mirrored_sides(self) -> list[str]:
        """A mirrored patient has the left kidney on the right."""
        if self.inference.mirroring and self.cohort.kept_labels.sides:
            return [
                "inference.mirroring is true, but cohort.labels keeps kidney_left and "
                "kidney_right apart, which a mirrored slice contradicts. Set it to "
                "false, or give the names of both kidneys to cohort.labels.kidney"
            ]
        return []

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


def refuse_twice(arguments: Iterable[str]) -> None:
    """Refuse what Snakemake's ``--config`` gives where it has a key twice.

    Args:
        arguments: each NAME=VALUE; a value that is no YAML is text, and not looked at.

    Raises:
        ConfigError: naming the first such key.
    """
    for argument in arguments:
        name, _, value = argument.partition("=")
        try:
            parse_yaml(value)
        except TwiceError as error:
            raise ConfigError(f"--config {name}: {error}.") from error
        except ValueError:
            continue


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
    errors = schema.problems(methods, "methods", "methods")
    for index, row in enumerate(rows):
        name = schema.plain(row.get("experiment", index))
        errors += schema.problems(row, "experiment", f"experiments.{name}")
    _raise_if(errors)
    experiments = [row["experiment"] for row in rows]
    _raise_if(
        [
            f"experiments: {name} is there twice"
            for name in set(experiments)
            if experiments.count(name) > 1
        ]
    )
    cohort = resolved["cohort"]
    names = source_names(cohort["format"], cohort["labels"])
    cohort["labels"] = {title: list(names[title]) for title in names}
    run = resolved["run"]
    if run["experiments"] == "all":
        run["experiments"] = experiments
    everything = list(range(resolved["splits"]["folds"]))
    run["folds"] = everything if run["folds"] == "all" else sorted(run["folds"])
    resolved |= {"methods": methods, "experiments": rows}
    Config.from_resolved(resolved)
    return resolved


def _methods(value: str | dict[str, Any]) -> dict[str, Any]:
    methods = (
        value
        if isinstance(value, dict)
        else _read_mapping(own_or_shipped(Path(value)), "methods")
    )
    default = schema.defaults(schema.load_schema()["$defs"]["method"])
    return {
        str(name): default | method if isinstance(method, dict) else method
        for name, method in methods.items()
    }


def _experiments(value: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = value
    if isinstance(value, str):
        lines = _read(own_or_shipped(Path(value)), "experiments").splitlines()
        reader = csv.DictReader(lines, delimiter="\t", restkey="(too many columns)")
        rows = list(reader)
        if not rows:
            raise ConfigError(f"experiments: {value} has no rows. Add at least one.")
        columns = list(reader.fieldnames or ())
        if twice := [name for name in set(columns) if columns.count(name) > 1]:
            raise ConfigError(
                f"experiments: {value} has the column {twice[0]!r} twice, in line 1. "
                "Keep one."
            )
    default = schema.defaults(schema.load_schema()["$defs"]["experiment"])
    return [default | _typed(row) for row in rows]


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """Read an empty cell of a text table as null and its counts as numbers."""
    row = {key: None if value == "" else value for key, value in row.items()}
    count = row.get("training_patients")
    if isinstance(count, str) and re.fullmatch(r"\d{1,9}", count):
        row["training_patients"] = int(count)
    return row


def _read(path: Path, key: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{key}: cannot read {path} ({error}). Paths are relative to the working "
            f"directory {Path.cwd()}."
        ) from error


def _read_mapping(path: Path, key: str) -> dict[str, Any]:
    text = _read(path, key)
    kind = "JSON" if Path(path).suffix == ".json" else "YAML"
    try:
        # YAML 1.1 would read JSON's 3e-05 as text.
        content = parse_json(text) if kind == "JSON" else parse_yaml(text)
    except TwiceError as error:
        raise ConfigError(f"{key}: {path}: {error}.") from error
    except ValueError as error:
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
    cohort["fetch"] = make(FetchConfig, cohort["fetch"])
    cohort["series"] = make(SeriesConfig, cohort["series"])
    cohort |= {key: _path(cohort[key]) for key in ("path", "patients", "private")}
    cohort["labels"] = _frozen(cohort["labels"])
    statistics = dict(resolved["statistics"])
    comparisons = [make(Comparison, row) for row in statistics["comparisons"]]
    statistics["comparisons"] = list(filter(None, comparisons))
    parts = {
        "results": Path(resolved["results"]),
        "metrics": resolved["metrics"],
        "release": resolved["release"],
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
                | {key: value for key, value in row.items() if key != "experiment"},
            )
            for row in resolved["experiments"]
        },
        "statistics": make(StatisticsConfig, statistics),
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
    "labarbera": LaBarberaConfig,
    "training": TrainingConfig,
    "inference": InferenceConfig,
    "stress": StressConfig,
    "figures": FiguresConfig,
    "report": ReportConfig,
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
