"""Verb join: one release of several that are parts of one campaign."""

import argparse
from pathlib import Path

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
    parser.add_argument(
        "--to",
        type=Path,
        default=Path("resources/released"),
        metavar="FOLDER",
        help="folder of all releases; default: %(default)s",
    )
    parser.add_argument(
        "--allow-dirty",
        action="store_true",
        help="join also what no commit can reproduce; the release says so",
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace a release of that name"
    )


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
    size = sum(file["bytes"] for file in manifest["files"].values())
    sys.stdout.write(
        f"{args.to / args.name}: {len(manifest['files'])} files, {size / 1e6:.1f} MB\n"
    )
