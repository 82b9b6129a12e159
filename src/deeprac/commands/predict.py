"""Verb predict: the held-out cases of one fold, on their native grid."""

import argparse

from deeprac.commands.arguments import add_config, add_run

HELP = "Segment the held-out cases of one fold; write predictions/ and transforms.csv."
EXAMPLE = (
    "deeprac predict --config results/demo/config.json "
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
    from deeprac.inference.fold import predict_fold

    predict_fold(config, name, args.seed, args.fold)
