"""Missing runs as rows of the tables of experiments."""

from collections.abc import Collection
from dataclasses import replace

from deeprac.reporting.roles import training_suffix
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.table import Part, Table, number, words

COLUMNS = (
    words("matrix", "Matrix", frozen=True),
    words("method_label", "Method", frozen=True),
    number("fold", "Fold"),
    number("seed", "Seed"),
    number("n_cases", "n"),
    words("state", "State"),
)


def with_missing(table: Table, summary: Summary, experiments: Collection[str]) -> Table:
    """A table of experiments followed by the runs that partial results lack.

    Args:
        table: One row per experiment.
        summary: All results.
        experiments: Names of those that belong into the table.

    Returns:
        The same table; with missing runs one part more, and these in its CSV.
    """
    config = summary.config
    missing = summary.missing[summary.missing.experiment.isin(list(experiments))]
    if missing.empty:
        return table
    of_run = [config.experiments[name] for name in missing.experiment]
    named = missing.drop(columns="cohort").assign(
        matrix=[row.matrix for row in of_run],
        method=[row.method for row in of_run],
        method_label=[
            config.methods[row.method].label + training_suffix(row) for row in of_run
        ],
        n_patients=0,
        n_cases=0,
    )
    part = Part(COLUMNS, named.reset_index(drop=True), "Missing runs")
    return replace(table, parts=(*table.parts, part), missing=part.rows)
