"""Verb ``splits``: split the patients of a cohort into folds."""

import argparse
import logging

from deeprac.commands.arguments import add_config, opened

HELP = (
    "Split the patients of a cohort into folds, stratified by tumour volume and side."
)
EXAMPLE = "deeprac splits --config config/demo.yaml"

logger = logging.getLogger(__name__)


add_arguments = add_config


def run(args: argparse.Namespace) -> None:
    from deeprac.cohort.splits import given_splits, make_splits, warn_without_tumour
    from deeprac.files import write_json
    from deeprac.records.age_groups import age_group_of
    from deeprac.records.cases import read_cases

    config, layout = opened(args)
    cases = read_cases(layout.cases_csv)
    if bounds := config.statistics.age_groups:
        age_group_of(cases, bounds)  # or what is trained could not be shown
    folds, file = config.splits.folds, config.splits.file
    if file is None:
        splits = make_splits(cases, folds=folds, seed=config.splits.seed)
    else:
        splits = given_splits(file, cases, folds=folds)
    warn_without_tumour(splits, cases)
    write_json(layout.splits, splits)
    sizes = ", ".join(str(len(split["val"])) for split in splits)
    logger.info("%d folds of %s cases: %s", len(splits), sizes, layout.splits)
