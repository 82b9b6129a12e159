"""Verb join: one release of several that are parts of one campaign."""

import argparse
from pathlib import Path

from deeprac.commands.arguments import add_releases, extent_of

HELP = (
    "Join releases of the same patients and settings, with other experiments, seeds or "
    "folds, to one: a campaign whose parts were trained and released one by one."
)
EXAMPLE = "deeprac join released/ladder released/crops --name ablation --to released"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "part", type=Path, nargs="+", help="folder of a release; several may follow"
    )
    parser.add_argument("--name", required=True, help="name of the whole")
    add_releases(parser, "join")


def run(args: argparse.Namespace) -> None:
    import sys

    from deeprac.release.join import join_releases

    manifest = join_releases(
        args.part,
        args.to,
        name=args.name,
        allow_dirty=args.allow_dirty,
        replace=args.replace,
    )
    sys.stdout.write(f"{args.to / args.name}: {extent_of(manifest)}\n")
