"""Verb ``cohort fetch``: fetch a public cohort, its licence accepted."""

import argparse
import logging

from deeprac.commands.arguments import add_config_files

HELP = (
    "Fetch the public cohort that cohort.fetch names into cohort.path: resumable, with "
    "checksums, once its licence is accepted in the configuration. Run it again after "
    "an interruption: nothing that has arrived is lost."
)
EXAMPLE = "deeprac cohort fetch config/cohorts/kits23.yaml"

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_files(parser)


def run(args: argparse.Namespace) -> None:
    from deeprac.config import load_config
    from deeprac.fetch.remote import RECORD
    from deeprac.fetch.run import fetch_cohort

    cohort = load_config(args.config).cohort
    fetched = fetch_cohort(cohort)
    logger.info(
        "%d files fetched, %d were there: %s",
        fetched.new,
        fetched.there,
        cohort.path,
    )
    if fetched.unchecked:
        logger.warning(
            "no checksum is known of %d files, such as %s: theirs is recorded in %s",
            len(fetched.unchecked),
            fetched.unchecked[0],
            cohort.source_path / RECORD,
        )
