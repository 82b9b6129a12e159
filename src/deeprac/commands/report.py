"""Verb report: the report page, one offline HTML file."""

import argparse

from deeprac.commands.arguments import add_config

HELP = (
    "Write report.html, one page that opens without a network: identity, tables, "
    "figures, cases and failures of a cohort."
)
EXAMPLE = "deeprac report --config results/demo/config.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)


def run(args: argparse.Namespace) -> None:
    from deeprac.config import load_config
    from deeprac.files import write_text
    from deeprac.layout import Layout
    from deeprac.reporting.page.collect import report_page

    config = load_config(args.config)
    layout = Layout.of(config)
    write_text(layout.report, report_page(config, layout))
