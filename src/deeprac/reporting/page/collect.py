"""Reads the declared outputs of a cohort and puts the document together."""

import json
from dataclasses import replace
from pathlib import Path

from docutils.core import publish_parts

from deeprac.config import Config
from deeprac.errors import ConfigError, MetricsError
from deeprac.evaluation.cohort import COHORT_COLUMNS
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.machine import without_places
from deeprac.partial import present_runs, states_of
from deeprac.provenance import digest
from deeprac.records.runs import read_run
from deeprac.records.tidy import read_tidy
from deeprac.reporting.figures import drawing
from deeprac.reporting.figures.catalogue import selected
from deeprac.reporting.page.answers import page_answers
from deeprac.reporting.page.build import data_uri, render
from deeprac.reporting.page.content import page_tables
from deeprac.reporting.page.document import Browser, Document, PageFigure
from deeprac.reporting.page.identity import (
    commands,
    identity,
    limits,
    missing_terms,
)
from deeprac.reporting.summary import Summary, read_summary

MB = 10**6
MOST_DATA_MB = 1
"""Of the data of a figure that the page holds: the rest lies beside it."""

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
    config = summary.config
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
    keys = present_runs(config, missing := states_of(summary.missing))
    runs = [read_run(key.folder(layout) / "run.json", key) for key in keys]
    cohort = read_tidy(
        layout.summary_cohort, COHORT_COLUMNS, remedy="Run `deeprac summarise`."
    )
    content = without_places(read_json(layout.config))
    named = cohort[cohort.quantity == "cohort_hash"].groupby("statistic").value
    hashes = named.agg(", ".join)  # of every machine that drew the same phantoms
    return Document(
        cohort=config.cohort.name,
        extent=f"{summary.extent}; {len(config.run.experiments)} experiments, "
        f"{len(summary.runs)} runs",
        identity=identity(config, runs, f"{hashes['sha256']}, of {hashes['covers']}")
        | missing_terms(missing),
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
        answers=page_answers(summary),
        partial=summary.partial,
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


KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
SAFE_RST = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "halt_level": 2,
    "report_level": 5,
}


def embed(folder: Path, name: str, *, title: str, caption: str) -> PageFigure:
    """Read a figure of the folder of figures.

    Args:
        folder: Holds ``{name}.svg``, ``{name}.png`` and ``{name}.csv``.
        name: File name.
        title: What it shows.
        caption: Name of its caption in ``workflow/report``.

    Raises:
        MetricsError: A file is missing.
    """
    files = {suffix: folder / f"{name}{suffix}" for suffix in (*KINDS, ".csv")}
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise MetricsError(
            f"A figure is missing: {', '.join(missing)}. Run `deeprac figures`."
        )
    table = files[".csv"]
    fits = table.stat().st_size <= MOST_DATA_MB * MB
    suffix = min(KINDS, key=lambda kind: files[kind].stat().st_size)
    return PageFigure(
        name=name,
        title=title,
        uri=data_uri(files[suffix].read_bytes(), KINDS[suffix]),
        caption=caption_html(drawing.caption(caption)),
        csv=table.read_text(encoding="utf-8") if fits else None,
    )


def caption_html(text: str) -> str:
    """A caption in reStructuredText as HTML; it can include no file and no raw HTML."""
    return publish_parts(text, writer="html5", settings_overrides=SAFE_RST)["body"]
