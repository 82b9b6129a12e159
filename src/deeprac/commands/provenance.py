"""Verb provenance: what is behind a cell of a table."""

import argparse

from deeprac.commands.arguments import add_config_files

HELP = "Name the runs, files and digests behind a cell of a table."
EXAMPLE = (
    "deeprac provenance results/demo/config.json --table table1 --row fine_stn "
    "--column kidney_dice_mean"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_files(parser)
    parser.add_argument("--table", required=True, help="its name, such as table1")
    parser.add_argument(
        "--row", required=True, help="an experiment, or a number: 1 below the header"
    )
    parser.add_argument("--column", required=True, help="such as kidney_dice_mean")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(args: argparse.Namespace) -> None:
    from deeprac.config import load_config
    from deeprac.files import json_text
    from deeprac.origin import origin_of, text

    config = load_config(args.config)
    origin = origin_of(config, args.table, args.row, args.column)
    print(json_text(origin.as_json()) if args.json else text(origin))
