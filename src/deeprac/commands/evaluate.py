"""Verb evaluate: one fold's predictions against the labels."""

import argparse

from deeprac.commands.arguments import add_config, add_run

HELP = "Compare the predictions of one fold with the labels; write metrics.csv."
EXAMPLE = (
    "deeprac evaluate --config results/demo/config.json "
    "--experiment fine_stn --seed 0 --fold 0"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_run(parser)


def run(args: argparse.Namespace) -> None:
    from deeprac.config import load_config
    from deeprac.evaluation.evaluate import evaluate_fold
    from deeprac.files import write_csv
    from deeprac.layout import Layout
    from deeprac.records.run_key import RunKey

    config = load_config(args.config)
    layout = Layout.of(config)
    key = RunKey(config.cohort.name, args.experiment, args.seed, args.fold)
    write_csv(key.folder(layout) / "metrics.csv", evaluate_fold(layout, key))
