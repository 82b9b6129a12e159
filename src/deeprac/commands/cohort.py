"""Verb ``cohort``: generate or convert a cohort into the canonical frame."""

import argparse
import logging

from deeprac.commands.arguments import add_config, add_workers, opened

HELP = (
    "Generate or convert a cohort into the canonical frame, with the same checks and "
    "page as `deeprac cohort check`. Finished cases are kept: run it again after an "
    "interruption."
)
EXAMPLE = "deeprac cohort --config config/demo.yaml --workers 2"

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_workers(parser, "make cases")


def run(args: argparse.Namespace) -> None:
    from deeprac.cohort.build import build_cohort
    from deeprac.reporting.cohort_page.build import write_page

    config, layout = opened(args)
    rows = build_cohort(
        config.cohort,
        layout.cohort,
        folds=config.splits.folds,
        workers=args.workers,
        report=lambda check: write_page(check, config, layout),
    )
    with_tumour = sum(row.tumour_ml > 0 for row in rows)
    logger.info(
        "%d cases of %d patients, %d with tumour: %s",
        len(rows),
        len({row.patient for row in rows}),
        with_tumour,
        layout.cases_csv,
    )
