"""The declared tables from which results are drawn."""

from dataclasses import dataclass

import pandas as pd

from deeprac.config import Config
from deeprac.errors import ConfigError, MetricsError
from deeprac.layout import Layout
from deeprac.records.case_split import judged
from deeprac.records.tidy import read_tidy
from deeprac.reporting.roles import Cast, Role, largest_cast, used_matrices
from deeprac.reporting.summary import read_summary

IDENTITY = ("experiment", "fold", "seed", "case", "patient")
ERRORS = ("scale_error", "angle_error_deg", "centre_error")
DIAGNOSTICS = (*IDENTITY, *ERRORS, "coverage", "missed")
STRESS = (*IDENTITY, "label", "kind", "value", "dice", "visible")


@dataclass(frozen=True)
class Evidence:
    """What the claims are judged by.

    Attributes:
        cast: The experiments at the judged matrix, by role.
        cases: Columns of summary/cases.csv.
        runs: Columns of summary/runs.csv, without times of runs on a shared machine.
        diagnostics: Columns of summary/diagnostics.csv; None if there is no such file.
        stress: Columns of summary/stress.csv; None if there is no such file.
    """

    cast: Cast
    cases: pd.DataFrame
    runs: pd.DataFrame
    diagnostics: pd.DataFrame | None = None
    stress: pd.DataFrame | None = None

    def missing(self, role: Role, table: str, *, remedy: str = "") -> str:
        """Say what is missing of a role; empty where nothing is.

        Args:
            role: Its experiment with most training patients is wanted.
            table: Where its rows are: ``diagnostics`` or ``stress``.
            remedy: What to do where the table has none.
        """
        name = self.cast.main(role)
        if name is None:
            return self.cast.missing(role)
        rows = getattr(self, table)
        if rows is None:
            return f"summary/{table}.csv is missing"
        if name not in set(rows.experiment):
            return f"summary/{table}.csv has no row of {name}{remedy}"
        return ""


def read_evidence(config: Config, layout: Layout, matrix: str | None) -> Evidence:
    """Read the summary tables of a cohort.

    Args:
        config: The configuration of the cohort.
        layout: Where its files are.
        matrix: Name of the matrix; None for the one with most experiments.

    Raises:
        ConfigError: No selected experiment is at that matrix.
        MetricsError: cases.csv or runs.csv is missing, a table is foreign, or results
            are partial.
    """
    cast = largest_cast(config) if matrix is None else Cast(config, matrix)
    if not cast.experiments:
        raise ConfigError(
            f"--matrix {matrix} has no selected experiment. Name one of "
            f"{', '.join(sorted(used_matrices(config)))}."
        )
    summary = read_summary(config, layout)
    if summary.partial:
        raise MetricsError(
            "Claims are judged by complete results. Finish the runs that are missing "
            f"(report.allow_missing: false). {summary.partial}"
        )
    paths = {"diagnostics": layout.summary_diagnostics, "stress": layout.summary_stress}
    columns = {"diagnostics": DIAGNOSTICS, "stress": STRESS}
    optional = {
        name: judged(read_tidy(path, columns[name], remedy=f"Run `snakemake {name}`."))
        for name, path in paths.items()
        if path.is_file()
    }
    return Evidence(
        cast=cast,
        # Claims are released by seed: the last bit of a mean depends on the order.
        cases=summary.cases.sort_values("seed", kind="stable", ignore_index=True),
        runs=summary.runs,
        **optional,
    )
