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
    from deeprac.partial import missing_runs, missing_table, narrowed

    config, layout = opened(args)
    missing = missing_runs(config, layout)
    config = narrowed(config, missing)
    read = (config, layout, missing)
    if args.what == "diagnostics":
        tables = {layout.summary_diagnostics: summarise.collect_diagnostics(*read)}
    elif args.what == "stress":
        tables = {layout.summary_stress: summarise.collect_stress(*read)}
    else:
        tables = {
            layout.summary_cases: summarise.collect_cases(*read),
            layout.summary_runs: summarise.collect_runs(*read),
            layout.summary_cohort: collect_cohort(layout.cases_csv),
        }
        if config.report.allow_missing:
            tables[layout.summary_missing] = missing_table(missing)
    for path, table in tables.items():
        write_csv(path, table)
