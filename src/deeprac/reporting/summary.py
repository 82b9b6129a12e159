"""The results of a cohort, read once: one convention of empty labels, one order."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.evaluation import gates
from deeprac.evaluation.checks import check_comparable, check_rows, check_runs
from deeprac.evaluation.metrics.conventions import with_convention
from deeprac.evaluation.statistics.patients import (
    CommonScores,
    in_order,
    patient_dice,
)
from deeprac.layout import Layout
from deeprac.partial import (
    missing_table,
    narrowed,
    present_runs,
    read_missing,
    sentence,
    states_of,
)
from deeprac.records.case_split import judged
from deeprac.records.cases import read_cases
from deeprac.records.diagnostics import read_diagnostics
from deeprac.records.metrics import read_metrics
from deeprac.records.runs import RUN_COLUMNS, without_shared_times
from deeprac.records.tidy import read_tidy, shortened
from deeprac.records.training_scores import training_scores
from deeprac.reporting import formats
from deeprac.reporting.aggregate import experiment_rows
from deeprac.reporting.budgets import changing, method_budgets, tested

REMEDY = "Run `deeprac summarise`."


@dataclass(frozen=True)
class Summary:
    """All results of a cohort, from which every table, figure and page is made.

    Attributes:
        config: The configuration of the cohort.
        layout: Where its declared files are.
        cases: Columns of summary/cases.csv, one row per run, case and label: of the
            test cases alone where there are any.
        runs: Columns of summary/runs.csv, one row per run; without the times of runs
            that shared their machine.
        missing: Columns of summary/missing.csv, one row per run that partial results
            lack. Then ``config`` is of what was run, and its notes say what was not.
        partial: What was not run, in a sentence; empty where nothing is missing.
    """

    config: Config
    layout: Layout
    cases: pd.DataFrame
    runs: pd.DataFrame
    missing: pd.DataFrame = field(default_factory=lambda: missing_table({}))
    partial: str = ""

    @classmethod
    def of(
        cls, config: Config, layout: Layout, cases: pd.DataFrame, runs: pd.DataFrame
    ) -> "Summary":
        """Results with empty labels as the configuration counts them, in its order.

        Times of runs that shared their machine are left out. The order is by experiment
        as selected, then label, patient, case, seed and fold: sums of floats and ties
        of ranks depend on it.
        """
        cases = judged(with_convention(cases, config.statistics.empty_labels))
        cases = in_order(cases)
        runs = without_shared_times(runs).sort_values(["experiment", "seed", "fold"])
        place = {name: index for index, name in enumerate(config.run.experiments)}
        order = {"key": lambda names: names.map(place), "kind": "stable"}
        cases, runs = (
            table.sort_values("experiment", ignore_index=True, **order)
            for table in (cases, runs)
        )
        return cls(config, layout, cases, runs)

    def lacking(self, missing: pd.DataFrame) -> "Summary":
        """The same as partial results.

        Args:
            missing: Columns of summary/missing.csv.

        Raises:
            MetricsError: No run is there.
        """
        if missing.empty:
            return self
        states = states_of(missing)
        config, partial = narrowed(self.config, states), sentence(self.config, states)
        report = replace(config.report, notes=(partial, *config.report.notes))
        config = replace(config, report=report)
        return replace(self, config=config, missing=missing, partial=partial)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row per experiment; see :func:`~deeprac.reporting.aggregate`."""
        return experiment_rows(self.config, self.cases, self.runs)

    @property
    def trained(self) -> pd.DataFrame:
        """The runs without zero-shot ones, which are networks of another cohort."""
        return self.runs[self.runs.epochs > 0]

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Dice of each patient: columns experiment, label, patient, dice."""
        return patient_dice(self.cases)

    @cached_property
    def gates(self) -> pd.DataFrame:
        """Whether each training learned each label; see ``evaluation.gates``."""
        labels = self.config.cohort.kept_labels.foreground
        scores = training_scores(self.layout, self.runs, labels)
        return gates.judged(scores, self.config.statistics.learned_floor)

    @cached_property
    def budgets(self) -> pd.DataFrame:
        """Dice of methods by number of steps, and whether they have converged."""
        return method_budgets(self.config, self.cases, self.gates)

    @cached_property
    def not_converged(self) -> pd.DataFrame:
        """Experiments and labels that a longer training of the cohort changes."""
        return changing(self.budgets)

    def untested(self, *experiments: str, label: str) -> list[str]:
        """Those of which no longer training tells whether they converged on a label.

        What is not trained, as zero-shot ones are not, is none of them.
        """
        known = tested(self.budgets)
        known = set(known[known.label == label].experiment)
        rows = [self.config.experiments[name] for name in experiments]
        trained = [row.name for row in rows if self.config.steps_of(row)]
        return [name for name in trained if name not in known]

    def cohort(self) -> pd.DataFrame:
        """Rows of cases.csv, indexed by case."""
        columns = ("case", "patient", "image", "label", "spacing_x_mm", "spacing_y_mm")
        return read_cases(self.layout.cases_csv, columns)

    def diagnostics(self, experiments: Iterable[str] | None = None) -> pd.DataFrame:
        """Rows of summary/diagnostics.csv of these cases, of some experiments or all.

        Raises:
            MetricsError: The table is missing, foreign or older than the configuration.
        """
        table = self._diagnostics
        if experiments is None:
            return table
        return table[table.experiment.isin(set(experiments))]

    @cached_property
    def _diagnostics(self) -> pd.DataFrame:
        path = self.layout.summary_diagnostics
        remedy = "Run `deeprac summarise --what diagnostics`."
        table = judged(read_diagnostics(path, remedy=remedy))
        missing = set(self.config.run.experiments) - set(table.experiment)
        if missing:
            raise MetricsError(
                f"{path} lacks experiments that run.experiments selects: "
                f"{shortened(sorted(missing))}. {remedy}"
            )
        return table

    def training(
        self, columns: tuple[str, ...], experiments: Iterable[str]
    ) -> pd.DataFrame:
        """Curves of all runs of some experiments; zero-shot ones have none.

        Args:
            columns: Columns of training.csv.
            experiments: Names of the experiments.

        Returns:
            Columns experiment, fold, seed, epoch and ``columns``.

        Raises:
            MetricsError: A training.csv is missing or lacks a column.
        """
        key = ("experiment", "fold", "seed")
        tables = []
        trained = self.trained
        runs = trained[trained.experiment.isin(set(experiments))]
        for run in runs.itertuples():
            path = self.layout.run(run.experiment, run.seed, run.fold) / "training.csv"
            remedy = f"Train fold {run.fold} of {run.experiment} again."
            table = read_tidy(path, ("epoch", *columns), remedy=remedy)
            own = {name: getattr(run, name) for name in key}
            tables.append(table.assign(**own)[[*key, "epoch", *columns]])
        if not tables:
            return pd.DataFrame(columns=[*key, "epoch", *columns], dtype=float)
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def common_scores(self) -> CommonScores:
        """The same for comparisons, over the runs that all sides have."""
        return CommonScores(self.cases)

    @property
    def extent(self) -> str:
        """How many patients and cases there are, for captions."""
        return formats.extent(self.cases)


def read_summary(config: Config, layout: Layout) -> Summary:
    """Read both tables and check that they hold the selected runs, comparably.

    Raises:
        MetricsError: A table is missing, foreign or older than the configuration.
    """
    cases = read_metrics(layout.summary_cases, remedy=REMEDY)
    runs = read_tidy(layout.summary_runs, RUN_COLUMNS, remedy=REMEDY)
    missing = read_missing(config, layout)
    keys = present_runs(config, states_of(missing))
    selected_keys = {(k.experiment, k.seed, k.fold) for k in keys}
    for path, table in ((layout.summary_cases, cases), (layout.summary_runs, runs)):
        found, selected = set(table.experiment), {key.experiment for key in keys}
        if found != selected:
            raise MetricsError(
                f"{path} does not hold the experiments that run.experiments selects: "
                f"they differ in {shortened(sorted(found ^ selected))}. {REMEDY}"
            )
        check_runs(table, selected_keys, path, remedy=REMEDY)
    check_rows(cases, layout.summary_cases, remedy=REMEDY)
    check_comparable(cases)
    return Summary.of(config, layout, cases, runs).lacking(missing)
