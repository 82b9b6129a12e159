"""Verb diagnose: what the front end did in one fold."""

import argparse

from deeprac.commands.arguments import add_config, add_run

HELP = (
    "Compare size, pose and position that one fold's front end found with the "
    "reference, and measure spread, bounds and coverage; write diagnostics.csv."
)
EXAMPLE = (
    "deeprac diagnose --config results/demo/config.json "
    "--experiment fine_stn --seed 0 --fold 0"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_run(parser)


def run(args: argparse.Namespace) -> None:
    from deeprac.config import load_config
    from deeprac.evaluation.diagnostics import diagnose_fold
    from deeprac.files import write_csv
    from deeprac.layout import Layout
    from deeprac.records.run_key import RunKey

    config = load_config(args.config)
    layout = Layout.of(config)
    key = RunKey(config.cohort.name, args.experiment, args.seed, args.fold)
    write_csv(key.folder(layout) / "diagnostics.csv", diagnose_fold(layout, key))
