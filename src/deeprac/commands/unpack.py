"""Verb unpack: a release laid out as results."""

import argparse
from pathlib import Path

HELP = (
    "Check a release and lay it out as results/released/NAME, where tables, figures, "
    "claims and the report page can be made of it."
)
EXAMPLE = "deeprac unpack resources/released/ablation --to results"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("release", type=Path, help="folder of the release")
    parser.add_argument(
        "--to",
        type=Path,
        default=Path("results"),
        metavar="FOLDER",
        help="folder of all results; default: %(default)s",
    )


def run(args: argparse.Namespace) -> None:
    import sys

    from deeprac.layout import Layout
    from deeprac.release.unpack import lay_out

    config = lay_out(args.release, args.to)
    sys.stdout.write(
        f"Next: deeprac tables --config {Layout.of(config).config} --show\n"
    )
