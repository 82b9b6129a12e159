"""Verb summarise: all runs into summary/, with the cohort's description, or stress."""

import argparse

from deeprac.commands.arguments import add_config

HELP = (
    "Collect the metrics and costs of all selected runs into two tidy tables, and "
    "describe the cohort in a third."
)
EXAMPLE = "deeprac summarise --config results/demo/config.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--stress",
        action="store_true",
        help="collect the runs under stress into summary/stress.csv instead",
    )


def run(args: argparse.Namespace) -> None:
    from deeprac.config import load_config
    from deeprac.evaluation.cohort import collect_cohort
    from deeprac.evaluation.summarise import collect_cases, collect_runs
    from deeprac.files import write_csv
    from deeprac.layout import Layout

    config = load_config(args.config)
    layout = Layout.of(config)
    if args.stress:
        from deeprac.evaluation.stress import collect_stress

        write_csv(layout.summary_stress, collect_stress(config, layout))
        return
    cases, runs = collect_cases(config, layout), collect_runs(config, layout)
    write_csv(layout.summary_cases, cases)
    write_csv(layout.summary_runs, runs)
    write_csv(layout.summary_cohort, collect_cohort(layout.cases_csv))
