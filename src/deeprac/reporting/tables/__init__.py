"""All tables of a cohort, one module each kind."""

from dataclasses import replace

from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.budget import budget_table
from deeprac.reporting.tables.comparisons import comparisons_table
from deeprac.reporting.tables.cost import cost_table
from deeprac.reporting.tables.crops import crops_table
from deeprac.reporting.tables.gates import gates_table
from deeprac.reporting.tables.ladder import ladder_table
from deeprac.reporting.tables.mechanism import mechanism_table
from deeprac.reporting.tables.paper import build_tables
from deeprac.reporting.tables.published_claims import published_claims_table
from deeprac.reporting.tables.ranking import ranking_table
from deeprac.reporting.tables.statistics import statistics_table
from deeprac.reporting.tables.table import Table, split_notes, uncommitted_notes


def all_tables(summary: Summary) -> dict[str, Table]:
    """Every table of a cohort, by file name, in the order of reading."""
    tables = (
        *build_tables(summary),
        ladder_table(summary),
        crops_table(summary),
        gates_table(summary),
        budget_table(summary),
        mechanism_table(summary),
        statistics_table(summary),
        comparisons_table(summary),
        ranking_table(summary),
        published_claims_table(),
        cost_table(summary),
    )
    notes = (
        *summary.config.report.notes,
        *split_notes(summary.cases),
        *uncommitted_notes(summary.runs),
    )
    return {
        table.name: replace(table, notes=(*notes, *table.notes)) for table in tables
    }
