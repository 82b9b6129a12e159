"""Verb diagnostics: all runs' diagnostics into summary/diagnostics.csv."""

import argparse

from deeprac.commands.arguments import add_config

HELP = "Collect the diagnostics of all selected runs into one tidy table."
EXAMPLE = "deeprac diagnostics --config results/demo/config.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)


def run(args: argparse.Namespace) -> None:
    from deeprac.config import load_config
    from deeprac.evaluation.diagnostics import collect_diagnostics
    from deeprac.files import write_csv
    from deeprac.layout import Layout

    config = load_config(args.config)
    layout = Layout.of(config)
    write_csv(layout.summary_diagnostics, collect_diagnostics(config, layout))
