"""The configuration: frozen dataclasses, built once from what was read.

``deeprac.config_files`` reads, merges and completes the files and checks every key by
the schema; here are the checks of what one section says about another.
"""

import os
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

from deeprac.config_files import raise_if, read_raw, resolve
from deeprac.errors import ConfigError
from deeprac.front_ends import CASE_POSE, ORACLE
from deeprac.settings.claims import unknown_arms
from deeprac.settings.cohort import CohortConfig
from deeprac.settings.methods import Experiment, MatrixConfig, Method
from deeprac.settings.misfits import misfits, stressed_misfits
from deeprac.settings.pretraining import PretrainingConfig, impossible_starts
from deeprac.settings.reports import (
    FiguresConfig,
    ReportConfig,
    StatisticsConfig,
    StressConfig,
    impossible_scenes,
)
from deeprac.settings.training import (
    InferenceConfig,
    LaBarberaConfig,
    LocaliserConfig,
    NetworkConfig,
    RunConfig,
    SplitsConfig,
    TrainingConfig,
)


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
    pretraining: PretrainingConfig
    inference: InferenceConfig
    stress: StressConfig
    statistics: StatisticsConfig
    figures: FiguresConfig
    report: ReportConfig

    def __post_init__(self) -> None:
        raise_if(
            [
                *self._unknown_names(),
                *unknown_arms(self.report.claims, self.methods),
                *self._impossible_folds(),
                *misfits(
                    self.experiments.values(),
                    self.matrices,
                    self.methods,
                    self.network,
                ),
                *stressed_misfits(
                    self.stress, self.experiments, self.matrices, self.methods
                ),
                *self._unknown_truths(),
                *impossible_scenes(self.stress.scenes, self.cohort),
                *self._exposed(),
                *self._mirrored_sides(),
                *self._impossible_starts(),
            ]
        )

    @classmethod
    def from_resolved(cls, resolved: dict[str, Any]) -> "Config":
        """Build the configuration from what ``config_files.resolve`` returned.

        Raises:
            ConfigError: keys that contradict each other; all are listed.
        """
        methods = {
            name: {"name": name, **method}
            for name, method in resolved["methods"].items()
        }
        experiments = {
            row["experiment"]: {"name": row["experiment"], **row}
            for row in resolved["experiments"]
        }
        parts = resolved | {"methods": methods, "experiments": experiments}
        errors: list[str] = []
        fields = {
            key: _built(kind, parts[key], errors)
            for key, kind in get_type_hints(cls).items()
        }
        raise_if(errors)
        return cls(**fields)

    @property
    def has_released_metrics(self) -> bool:
        """Whether metrics come from a release, without images and predictions."""
        return self.metrics == "released"

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
        if self.cohort.is_phantom and cases < folds:
            errors.append(
                f"cohort.phantom.cases is {cases}: fewer patients than the {folds} "
                "folds of splits.folds. Raise the one or lower the other"
            )
        return errors

    def _unknown_truths(self) -> list[str]:
        """Only phantoms have a true transform; released results were made already."""
        if self.cohort.is_phantom or self.has_released_metrics:
            return []
        rows = (self.experiments.get(name) for name in self.run.experiments)
        methods = {row.name: self.methods.get(row.method) for row in rows if row}
        oracles = [name for name, m in methods.items() if m and m.normaliser == ORACLE]
        if not oracles:
            return []
        return [
            f"run.experiments: the normaliser of {', '.join(oracles)} is {ORACLE}, "
            "which is told the true transform, and only phantoms have one; "
            f"cohort.format is {self.cohort.format}. Use normaliser {CASE_POSE}, which "
            "is told the pose computed from the labels, or leave them out"
        ]

    def _exposed(self) -> list[str]:
        """Results are shared, so what is private must not lie among them."""
        if self.cohort.is_phantom or not self.cohort.pseudonyms:
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

    def _impossible_starts(self) -> list[str]:
        if self.has_released_metrics:
            return []
        rows = map(self.experiments.get, self.run.experiments)
        own = self.results / self.cohort.name
        known = [row for row in rows if row is not None]
        return [*impossible_starts(self.pretraining, own, known, self.methods)]

    def training_of(self, row: Experiment) -> TrainingConfig:
        """Return the settings of an experiment's trainings; zero-shot has no epochs."""
        method = self.methods[row.method]
        return replace(
            self.training,
            epochs=0 if method.zero_shot else row.epochs or self.training.epochs,
            learning_rate=method.learning_rate_factor * self.training.learning_rate,
        )

    def steps_of(self, row: Experiment) -> int:
        """Return the training steps of an experiment: none if it is zero-shot."""
        training = self.training_of(row)
        return training.epochs * training.iterations_per_epoch

    def other_results(self, experiment: str) -> Path | None:
        """Return the results of another cohort that an experiment takes from, if any.

        Raises:
            ConfigError: there is no such experiment.
        """
        row = self.experiment(experiment)
        if not self.methods[row.method].takes_from_another:
            return None
        return row.other_results or self.pretraining.results

    def front_end_settings(self, method: Method) -> dict[str, Any] | None:
        """Return the settings of a method's front end; None without one."""
        section = method.front_end.section
        if section is None:
            return None
        return asdict(getattr(self, section)) | method.localiser

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


def _built(kind: Any, value: Any, errors: list[str]) -> Any:
    """A plain value as the type of its field.

    Args:
        kind: the type; of what is inside a list or mapping only sections matter.
        value: what YAML or JSON can hold, checked by the schema.
        errors: gets what constructors object to; None takes the place of such sections.
    """
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        fields = {key: _built(hints[key], value[key], errors) for key in hints}
        try:
            return cast(Any, kind)(**fields)
        except ConfigError as error:
            errors.append(str(error))
            return None
    section = next(filter(is_dataclass, get_args(kind)), None)
    if isinstance(value, list):
        items = (_built(section, item, errors) for item in value)
        return tuple(item for item in items if item is not None)
    if isinstance(value, dict):
        return {key: _built(section, part, errors) for key, part in value.items()}
    is_path = Path in (kind, *get_args(kind))
    return Path(value) if is_path and value is not None else value
