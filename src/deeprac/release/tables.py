"""The tables of a release, made from its summary, and the checks of that summary."""

from pathlib import Path

import pandas as pd

from deeprac.config import Config
from deeprac.errors import ReleaseError
from deeprac.evaluation.summarise import collect_runs
from deeprac.files import csv_text
from deeprac.layout import Layout
from deeprac.reporting.claims import render
from deeprac.reporting.claims.collect import cohort_claims
from deeprac.reporting.render import markdown
from deeprac.reporting.summary import read_summary
from deeprac.reporting.tables import all_tables

CLAIMS = frozenset({"tables/claims.csv", "tables/claims.md"})
"""Tables that are in a release where somebody judged its claims."""


def made_tables(config: Config, layout: Layout) -> dict[str, bytes]:
    """Make all tables of a release; nothing is written.

    Returns:
        Content by name: ``tables/{table}.csv`` and ``.md``.
    """
    texts = {}
    summary = read_summary(config, layout)
    for name, table in all_tables(summary).items():
        texts[f"tables/{name}.csv"] = csv_text(table.rows)
        texts[f"tables/{name}.md"] = markdown(table)
    results = cohort_claims(summary)
    texts["tables/claims.csv"] = csv_text(render.to_frame(results))
    title = render.title(config.cohort.name)
    texts["tables/claims.md"] = render.markdown(results, title=title)
    return {name: text.encode() for name, text in texts.items()}


def check_summary(config: Config, layout: Layout) -> None:
    """Check that the summary holds every selected run, whole and consistent.

    Raises:
        MetricsError: A run, case or label is missing, double or inconsistent.
        ReleaseError: runs.csv does not say what the run.json files say.
    """
    read_summary(config, layout)
    same_text(layout.summary_runs, collect_runs(config, layout), "the run.json files")


def same_text(path: Path, table: pd.DataFrame, source: str) -> None:
    """A summary is what its sources give.

    Raises:
        ReleaseError: It is missing or differs.
    """
    if not path.is_file() or path.read_text(encoding="utf-8") != csv_text(table):
        raise ReleaseError(
            f"{path} is missing or is not what {source} give. Run the workflow, or the "
            "verbs summarise (all of --what) and tables, again."
        )
