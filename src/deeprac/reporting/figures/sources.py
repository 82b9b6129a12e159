"""What a figure is made from, and what it is."""

import textwrap
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.layout import Layout
from deeprac.records.cases import read_cases
from deeprac.records.diagnostics import DIAGNOSTIC_COLUMNS
from deeprac.records.tidy import read_tidy, shortened
from deeprac.reporting import formats
from deeprac.reporting.style import WIDTH
from deeprac.reporting.summary import Summary


@dataclass(frozen=True)
class Sources:
    """Everything that figures read.

    Attributes:
        config: The configuration of the cohort.
        layout: Where the declared files are.
        summary: Tidy tables of cases, empty labels as the configuration counts them,
            and of runs.
        rows: One row per experiment, see ``deeprac.reporting.aggregate``.
    """

    config: Config
    layout: Layout
    summary: Summary
    rows: pd.DataFrame

    def cohort(self) -> pd.DataFrame:
        """Rows of cases.csv, indexed by case."""
        columns = ("case", "patient", "image", "label", "spacing_x_mm", "spacing_y_mm")
        return read_cases(self.layout.cases_csv, columns)

    def diagnostics(self) -> pd.DataFrame:
        """Rows of summary/diagnostics.csv, checked to hold the selected experiments.

        Raises:
            MetricsError: The table is missing, foreign or older than the configuration.
        """
        path = self.layout.summary_diagnostics
        remedy = "Run `deeprac summarise --what diagnostics`."
        table = read_tidy(path, DIAGNOSTIC_COLUMNS, remedy=remedy)
        missing = set(self.config.run.experiments) - set(table.experiment)
        if missing:
            raise MetricsError(
                f"{path} lacks experiments that run.experiments selects: "
                f"{shortened(sorted(missing))}. {remedy}"
            )
        return table

    @property
    def extent(self) -> str:
        """How many patients and cases the results hold, for captions."""
        return formats.extent(self.summary.cases)


@dataclass(frozen=True)
class Drawing:
    """A drawn figure and the data in it."""

    name: str
    figure: Figure
    data: pd.DataFrame


def nothing_to_show(name: str, why: str) -> Drawing:
    """A figure that says why there is nothing to draw, and has that as its data."""
    figure = Figure(figsize=(WIDTH, 0.8))
    figure.text(0.5, 0.5, textwrap.fill(why, 100), ha="center", va="center")
    return Drawing(name, figure, pd.DataFrame({"note": [why]}))
