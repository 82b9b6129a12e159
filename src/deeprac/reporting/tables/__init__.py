"""All tables of a cohort, one module each kind."""

from dataclasses import replace

from deeprac.config import Config
from deeprac.evaluation.metrics.conventions import with_convention
from deeprac.evaluation.statistics.patients import in_order
from deeprac.reporting.aggregate import experiment_rows
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.comparisons import comparisons_table
from deeprac.reporting.tables.cost import cost_table
from deeprac.reporting.tables.ladder import ladder_table
from deeprac.reporting.tables.paper import build_tables
from deeprac.reporting.tables.ranking import ranking_table
from deeprac.reporting.tables.statistics import statistics_table
from deeprac.reporting.tables.table import Table, uncommitted_notes


def all_tables(config: Config, summary: Summary) -> dict[str, Table]:
    """Every table of a cohort, by file name, in the order of reading.

    Args:
        config: The configuration of the cohort.
        summary: Its results.
    """
    cases = with_convention(summary.cases, config.statistics.empty_labels)
    cases = in_order(cases)
    rows = experiment_rows(config, cases, summary.runs)
    tables = (
        *build_tables(config, rows).values(),
        ladder_table(config, rows, cases),
        statistics_table(config, rows, cases),
        comparisons_table(config, rows, cases),
        ranking_table(config, rows, cases),
        cost_table(config, rows, summary.runs),
    )
    notes = (*config.report.notes, *uncommitted_notes(summary.runs))
    return {
        table.name: replace(table, notes=(*notes, *table.notes)) for table in tables
    }
