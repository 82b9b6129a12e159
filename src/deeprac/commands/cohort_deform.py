"""Verb ``cohort deform``: child-like training cases from adult ones."""

import argparse
import logging
from pathlib import Path

from deeprac.commands.arguments import add_config

HELP = (
    "Give every case of a cohort size, pose and shape of a training patient of another "
    "one, image and labels, as a new cohort in nnU-Net's raw layout: child-like cases "
    "from adult ones."
)
EXAMPLE = (
    "deeprac cohort deform --config results/adults/config.json "
    "--towards results/children/config.json --fold 0 --out data/childlike"
)

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--towards",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="configuration of the other cohort; repeat to overlay",
    )
    parser.add_argument(
        "--fold",
        type=int,
        required=True,
        metavar="N",
        help="fold of the other cohort whose training patients are used",
    )
    parser.add_argument(
        "--patients",
        type=int,
        metavar="N",
        help="use the first N of them, as training_patients does (default: all)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="new folder"
    )
    parser.add_argument(
        "--pose-only",
        action="store_true",
        help="size, pose and position alone, without velocity fields",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw of patients")


def run(args: argparse.Namespace) -> None:
    from deeprac.cohort.splits import subset
    from deeprac.config import load_config
    from deeprac.geometry.velocity_fit import ITERATIONS
    from deeprac.layout import Layout
    from deeprac.preprocessing.deformed_cohort import deform_cohort
    from deeprac.records.cases import read_cases
    from deeprac.records.splits import read_split
    from deeprac.reporting.deformed import draw_deformed

    config, towards = load_config(args.config), load_config(args.towards)
    layout = Layout.of(towards)
    patients = read_split(layout.splits, args.fold)["train"]
    if args.patients is not None:
        cases = read_cases(layout.cases_csv)
        patients = subset(
            patients, cases, count=args.patients, seed=args.fold, asked_by="--patients"
        )
    fits = deform_cohort(
        *(config, towards, patients, args.out),
        iterations=0 if args.pose_only else ITERATIONS,
        seed=args.seed,
    )
    draw_deformed(config, towards, args.out, fits)
    before, after = fits.kidney_dice_before.mean(), fits.kidney_dice_after.mean()
    logger.info(
        "%d cases: %s. Kidney Dice with the other's, %.3f by size and pose, now %.3f",
        *(len(fits), args.out, before, after),
    )
