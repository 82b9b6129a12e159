"""Verb stress: the held-out cases of one fold, turned, zoomed and shifted."""

import argparse

from deeprac.commands.arguments import add_config, add_run

HELP = (
    "Turn, zoom and shift the held-out cases of one fold, segment them and compare "
    "with the labels; write stress.csv."
)
EXAMPLE = (
    "deeprac stress --config results/demo/config.json "
    "--experiment fine_stn --seed 0 --fold 0"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_run(parser)


def run(args: argparse.Namespace) -> None:
    from deeprac.commands.nnunet import configure_nnunet
    from deeprac.config import load_config
    from deeprac.layout import Layout

    config = load_config(args.config)
    layout = Layout.of(config)
    name = config.experiment(args.experiment).name
    configure_nnunet(layout, workspace=layout.root, data_workers=0)
    from deeprac.inference.stress_fold import stress_fold

    stress_fold(config, name, args.seed, args.fold)
