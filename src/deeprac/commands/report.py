"""Verb report: the report page, one offline HTML file."""

import argparse

from deeprac.commands.arguments import add_config, opened

HELP = (
    "Write report.html, one page that opens without a network: identity, tables, "
    "figures, cases and failures of a cohort."
)
EXAMPLE = "deeprac report --config results/demo/config.json"


add_arguments = add_config


def run(args: argparse.Namespace) -> None:
    from deeprac.files import write_text
    from deeprac.reporting.page.collect import report_page

    config, layout = opened(args)
    write_text(layout.report, report_page(config, layout))
