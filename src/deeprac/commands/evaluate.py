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
    from deeprac.evaluation.evaluate import FoldFiles, evaluate_fold
    from deeprac.files import write_csv
    from deeprac.layout import Layout
    from deeprac.records.metrics import METRIC_COLUMNS

    config = load_config(args.config)
    layout = Layout.of(config)
    folder = layout.run(args.experiment, args.seed, args.fold)
    files = FoldFiles(
        cases_csv=layout.cases_csv,
        cohort=layout.cohort,
        splits=layout.splits,
        predictions=folder / "predictions",
        transforms=folder / "transforms.csv",
    )
    metrics = evaluate_fold(files, fold=args.fold).assign(
        cohort=config.cohort.name,
        experiment=args.experiment,
        fold=args.fold,
        seed=args.seed,
    )
    write_csv(folder / "metrics.csv", metrics[list(METRIC_COLUMNS)])
