"""All tables of a cohort, one module each kind."""

from deeprac.config import Config
from deeprac.reporting.aggregate import experiment_rows
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.ladder import ladder_table
from deeprac.reporting.tables.paper import build_tables
from deeprac.reporting.tables.table import Table


def all_tables(config: Config, summary: Summary) -> dict[str, Table]:
    """Every table of a cohort, by file name, in the order of reading.

    Args:
        config: The configuration of the cohort.
        summary: Its results.
    """
    rows = experiment_rows(config, summary.cases, summary.runs)
    tables = build_tables(rows, cohort=config.cohort.name)
    ladder = ladder_table(config, rows, summary.cases)
    return {table.name: table for table in (*tables.values(), ladder)}
