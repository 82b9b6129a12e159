"""Verb release: metrics, records and tables of results, fit to be passed on."""

import argparse
from pathlib import Path

from deeprac.commands.arguments import add_releases, extent_of

HELP = (
    "Make a release of a folder of results: metrics, records of the trainings, tables "
    "and checksums; whatever may name a patient or a machine is refused."
)
EXAMPLE = "deeprac release results/ablation --to resources/released"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, help="folder of a cohort's results")
    parser.add_argument("--name", help="name of the release; default: the folder's")
    parser.add_argument(
        "--reviewed",
        nargs="+",
        default=[],
        metavar="KEY",
        help="keys whose texts you have read and that name nobody, such as "
        "report.notes; the release states them",
    )
    add_releases(parser, "release")


def run(args: argparse.Namespace) -> None:
    import sys

    from deeprac.release.make import make_release

    name = args.name or args.results.resolve().name
    manifest = make_release(
        args.results,
        args.to,
        name=name,
        reviewed=args.reviewed,
        allow_dirty=args.allow_dirty,
        replace=args.replace,
    )
    sys.stdout.write(
        f"{args.to / name}: {extent_of(manifest)}. "
        "The rules know plain words, not what they mean: look at it before it leaves.\n"
    )
