"""Verb train: one fold of one experiment."""

import argparse

from deeprac.commands.arguments import add_config, add_run

HELP = "Train one fold of one experiment, or resume it; write weights and run.json."
EXAMPLE = (
    "deeprac train --config results/demo/config.json "
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
    configure_nnunet(
        layout,
        workspace=layout.checkpoints(name, args.seed, args.fold),
        data_workers=config.training.data_workers,
    )
    from deeprac.training.run import train_fold

    train_fold(config, name, args.seed, args.fold)
