"""Verb bundle make: a trained model in one file, or as stock nnU-Net loads it."""

import argparse
from pathlib import Path

from deeprac.commands.arguments import add_experiment, opened

HELP = (
    "Make a bundle of an experiment's trained and evaluated folds: one file with all "
    "that `deeprac segment` needs, and nothing that can be run."
)
EXAMPLE = (
    "deeprac bundle make --config results/kits23/config.json --experiment fine_stn "
    "--name 'DeePRAC kidney' --licence weights_licence.txt --to kidney.zip"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    parser.add_argument(
        "--folds",
        type=int,
        nargs="+",
        metavar="FOLD",
        help="their numbers; default: all of run.folds",
    )
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="the bundle to write"
    )
    parser.add_argument(
        "--name", help="what it is called; default: cohort and experiment"
    )
    parser.add_argument(
        "--version", default="1.0.0", help="three numbers; default: %(default)s"
    )
    parser.add_argument(
        "--licence", type=Path, metavar="FILE", help="licence of the weights"
    )
    parser.add_argument(
        "--nnunet",
        action="store_true",
        help="write the folder that stock nnU-Net loads instead, for an experiment at "
        "nnU-Net's own plan; it has the licence, and no name or version",
    )


def run(args: argparse.Namespace) -> None:
    import sys

    from deeprac.commands.nnunet import configure_nnunet

    config, layout = opened(args)
    experiment = config.experiment(args.experiment).name
    configure_nnunet(layout, workspace=layout.root, data_workers=0)
    from deeprac.bundle.make import Identity, Model, make_bundle, make_nnunet_folder

    folds = args.folds or config.run.folds
    model = Model(config, experiment, args.seed, tuple(dict.fromkeys(folds)))
    name = args.name or f"{config.cohort.name} {experiment}"
    identity = Identity(name, args.version, args.licence)
    if args.nnunet:
        make_nnunet_folder(model, identity, args.to)
        sys.stdout.write(
            f"{args.to}: for nnUNetv2_predict_from_modelfolder, `-f "
            f"{' '.join(map(str, model.folds))}`. nnU-Net turns no volume: give it "
            "axial slices in the order LPS.\n"
        )
        return
    manifest = make_bundle(model, identity, args.to)
    size = args.to.stat().st_size / 1e6
    sys.stdout.write(
        f"{args.to}: {manifest['name']} {manifest['version']}, folds "
        f"{', '.join(map(str, manifest['folds']))}, {size:.1f} MB\n"
    )
