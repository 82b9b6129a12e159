"""Verb preprocess: the cohort on one matrix, or as nnU-Net plans it."""

import argparse

from deeprac.commands.arguments import add_config, opened

HELP = "Bring every axial slice of the cohort onto a matrix, normalised as by nnU-Net."
EXAMPLE = "deeprac preprocess --config results/demo/config.json --matrix fine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--matrix", required=True, help="name of the matrix")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="cases that are worked on at the same time (default: 1)",
    )


def run(args: argparse.Namespace) -> None:
    from deeprac.commands.nnunet import configure_nnunet
    from deeprac.files import read_json
    from deeprac.records.case_split import CV, of_split
    from deeprac.records.cases import read_cases

    config, layout = opened(args)
    configure_nnunet(layout, workspace=layout.root, data_workers=0)
    from deeprac.preprocessing.slices import preprocess_cohort
    from deeprac.training.plans import dataset_json, preprocessing_plans

    plans = preprocessing_plans(config, args.matrix, read_json(layout.fingerprint))
    dataset = dataset_json(config, len(of_split(read_cases(layout.cases_csv), CV)))
    preprocess_cohort(config, args.matrix, plans, dataset, workers=args.workers)
