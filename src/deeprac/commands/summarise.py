"""Verb summarise: what single folds have left, collected into summary/."""

import argparse

from deeprac.commands.arguments import add_config, opened

HELP = (
    "Collect what the folds of all selected runs have left into tidy tables: metrics "
    "and costs, with a description of the cohort; diagnostics; or results under stress."
)
EXAMPLE = "deeprac summarise --config results/demo/config.json --what diagnostics"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--what",
        choices=("metrics", "diagnostics", "stress"),
        default="metrics",
        help="which file of every fold, as evaluate, diagnose and stress write them "
        "(default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    from deeprac.evaluation import summarise
    from deeprac.evaluation.cohort import collect_cohort
    from deeprac.files import write_csv

    config, layout = opened(args)
    if args.what == "diagnostics":
        tables = {
            layout.summary_diagnostics: summarise.collect_diagnostics(config, layout)
        }
    elif args.what == "stress":
        tables = {layout.summary_stress: summarise.collect_stress(config, layout)}
    else:
        tables = {
            layout.summary_cases: summarise.collect_cases(config, layout),
            layout.summary_runs: summarise.collect_runs(config, layout),
            layout.summary_cohort: collect_cohort(layout.cases_csv),
        }
    for path, table in tables.items():
        write_csv(path, table)
