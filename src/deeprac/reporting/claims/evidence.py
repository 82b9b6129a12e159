"""The declared tables by which claims are judged."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from deeprac.config import Config
from deeprac.evaluation.gates import failures, of_label, unsettled
from deeprac.evaluation.statistics.patients import in_order
from deeprac.records.case_split import judged
from deeprac.records.tidy import read_tidy
from deeprac.reporting.summary import Summary

IDENTITY = ("experiment", "fold", "seed", "case", "patient")
ERRORS = ("scale_error", "angle_error_deg", "centre_error")
DIAGNOSTICS = (*IDENTITY, *ERRORS, "coverage", "missed")
STRESS = (*IDENTITY, "label", "kind", "value", "dice", "visible")


@dataclass(frozen=True)
class Evidence:
    """What claims are judged by.

    Attributes:
        summary: Results of the cohort.
        diagnostics: Columns of summary/diagnostics.csv; None without the file.
        stress: Columns of summary/stress.csv; None without the file.
        protocol: The paper's protocol; None where no step of it was counted.
        costs: Of a step of its experiments (``training.step.experiment_costs``).
    """

    summary: Summary
    diagnostics: pd.DataFrame | None = None
    stress: pd.DataFrame | None = None
    protocol: Config | None = None
    costs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def config(self) -> Config:
        """The configuration of the cohort."""
        return self.summary.config

    @property
    def runs(self) -> pd.DataFrame:
        """Columns of summary/runs.csv, without times of runs on a shared machine."""
        return self.summary.runs

    @cached_property
    def dice(self) -> dict[str, pd.DataFrame]:
        """Rows of cases.csv by label: sums of floats depend on their order."""
        return dict(list(in_order(self.summary.cases).groupby("label")))

    @cached_property
    def trained(self) -> dict[str, float]:
        """Mean number of training patients by experiment."""
        means = self.runs.groupby("experiment").training_patients.mean()
        return {str(name): float(mean) for name, mean in means.items()}

    def failed(self, label: str, *experiments: str) -> str:
        """Say how many trainings did not learn a label; empty where all did.

        Args:
            label: Name of the label; empty: any.
            *experiments: Whose trainings count.
        """
        gates = self.summary.gates
        return failures(of_label(gates, label) if label else gates, *experiments)

    def unsettled(self, label: str, *experiments: str) -> str:
        """Say which experiments have not converged on a label; empty where none."""
        rows = self.summary.not_converged
        return unsettled(of_label(rows[rows.experiment.isin(experiments)], label))


def read_evidence(
    summary: Summary, protocol: Config | None, costs: list[dict[str, Any]]
) -> Evidence:
    """Read what there is beside the summary of a cohort.

    Args:
        summary: Results of the cohort.
        protocol: The paper's protocol; None where no step of it was counted.
        costs: What its steps cost.

    Raises:
        MetricsError: A table is foreign.
    """
    layout = summary.layout
    paths = {"diagnostics": layout.summary_diagnostics, "stress": layout.summary_stress}
    columns = {"diagnostics": DIAGNOSTICS, "stress": STRESS}
    tables = {
        name: judged(read_tidy(path, columns[name], remedy=f"Run `snakemake {name}`."))
        for name, path in paths.items()
        if path.is_file()
    }
    return Evidence(summary, **tables, protocol=protocol, costs=costs)
