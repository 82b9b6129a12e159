"""Verb ``cohort check``: read everything, train nothing, and tell what was found."""

import argparse
import logging

from deeprac.commands.arguments import add_config_files, add_workers, opened

HELP = (
    "Read every case of a cohort as the conversion does, and write a page, tables and "
    "pictures of what was found, but no volumes. Exit code 1 where there are errors."
)
EXAMPLE = "deeprac cohort check config/cohorts/real_ct.yaml --workers 4"

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_files(parser)
    add_workers(parser, "read cases")


def run(args: argparse.Namespace) -> None:
    from deeprac.cohort.check import check_cohort
    from deeprac.reporting.cohort_page.build import write_page

    config, layout = opened(args)
    check = check_cohort(
        config.cohort, layout.check, folds=config.splits.folds, workers=args.workers
    )
    write_page(check, config, layout)
    check.refuse_errors(layout.check_page)
    logger.info(
        "%d cases, no errors, %d findings: %s",
        len(check.readable),
        sum(map(len, check.findings.values())),
        layout.check_page,
    )
