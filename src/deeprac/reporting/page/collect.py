"""Reads the declared outputs of a cohort and puts the document together."""

import json
from dataclasses import replace

from deeprac.config import Config
from deeprac.errors import ConfigError
from deeprac.evaluation.cohort import COHORT_COLUMNS
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.machine import without_places
from deeprac.provenance import digest
from deeprac.records.run_key import selected_runs
from deeprac.records.runs import read_run
from deeprac.records.tidy import read_tidy
from deeprac.reporting.figures.catalogue import selected
from deeprac.reporting.page.build import render
from deeprac.reporting.page.content import page_tables
from deeprac.reporting.page.document import Browser, Document
from deeprac.reporting.page.figures import embed
from deeprac.reporting.page.identity import commands, identity, limits
from deeprac.reporting.summary import Summary, read_summary

MB = 10**6

RELEASED = (
    "A release holds metrics and records of runs, no CT and no segmentations: volumes "
    "of patients may not be passed on with results, and the tables and figures need "
    "none. Run the workflow on the cohort itself to browse its cases."
)


def report_page(config: Config, layout: Layout) -> str:
    """The report page of a cohort as HTML, within the configured size.

    Raises:
        MetricsError: A table, figure, run or volume is missing or foreign.
        ConfigError: ``report.size_mb`` does not even hold the page without volumes.
    """
    summary = read_summary(config, layout)
    document = collect(summary)
    if config.has_released_metrics:
        return _checked(render(document), config)
    # The page of released results has no volumes, its readers no image library.
    from deeprac.reporting.page.browser import browse  # noqa: PLC0415

    empty = _checked(render(document), config)
    budget = int(config.report.size_mb * MB) - len(empty.encode())
    browser = browse(summary, summary.cohort(), budget=budget)
    return _checked(render(replace(document, browser=browser)), config)


def collect(summary: Summary) -> Document:
    """Everything on the page but the volumes."""
    config, layout = summary.config, summary.layout
    keys = list(selected_runs(config))
    runs = [read_run(key.folder(layout) / "run.json", key) for key in keys]
    cohort = read_tidy(
        layout.summary_cohort, COHORT_COLUMNS, remedy="Run `deeprac summarise`."
    )
    content = without_places(read_json(layout.config))
    hashes = cohort[cohort.quantity == "cohort_hash"].set_index("statistic").value
    return Document(
        cohort=config.cohort.name,
        extent=f"{summary.extent}; {len(config.run.experiments)} experiments, "
        f"{len(summary.runs)} runs",
        identity=identity(config, runs, f"{hashes['sha256']}, of {hashes['covers']}"),
        config=json.dumps(content, indent=2),
        config_hash=digest(content),
        commands=commands(config, runs),
        limits=limits(config, runs),
        tables=page_tables(summary, cohort),
        figures=tuple(
            embed(layout.figures, name, title=entry.title, caption=entry.name)
            for name, entry in selected(config).items()
        ),
        browser=Browser(missing=RELEASED),
    )


def _checked(page: str, config: Config) -> str:
    """The page, if it is no larger than it may be."""
    size_mb = len(page.encode()) / MB
    if size_mb > config.report.size_mb:
        raise ConfigError(
            f"report.size_mb is {config.report.size_mb:g}, but the report page has "
            f"{size_mb:.1f} MB without any volume of its cases. Raise report.size_mb, "
            "or select fewer experiments."
        )
    return page
