"""Reading the two tidy tables of a cohort."""

from dataclasses import dataclass

import pandas as pd

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.evaluation.checks import check_comparable, check_rows, check_runs
from deeprac.layout import Layout
from deeprac.records.metrics import read_metrics
from deeprac.records.run_key import selected_runs
from deeprac.records.runs import RUN_COLUMNS
from deeprac.records.tidy import read_tidy, shortened

REMEDY = "Run `deeprac summarise`."


@dataclass(frozen=True)
class Summary:
    """All results of a cohort: one row per case and label, one row per run."""

    cases: pd.DataFrame
    runs: pd.DataFrame


def read_summary(config: Config, layout: Layout) -> Summary:
    """Read both tables and check that they hold the selected runs, comparably.

    Raises:
        MetricsError: A table is missing, foreign or older than the configuration.
    """
    cases = read_metrics(layout.summary_cases, remedy=REMEDY)
    runs = read_tidy(layout.summary_runs, RUN_COLUMNS, remedy=REMEDY)
    selected_keys = {(k.experiment, k.seed, k.fold) for k in selected_runs(config)}
    for path, table in ((layout.summary_cases, cases), (layout.summary_runs, runs)):
        found, selected = set(table.experiment), set(config.run.experiments)
        if found != selected:
            raise MetricsError(
                f"{path} does not hold the experiments that run.experiments selects: "
                f"they differ in {shortened(sorted(found ^ selected))}. {REMEDY}"
            )
        check_runs(table, selected_keys, path, remedy=REMEDY)
    check_rows(cases, layout.summary_cases, remedy=REMEDY)
    check_comparable(cases)
    return Summary(cases, runs)
