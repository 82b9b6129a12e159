"""Verb verify: whether a release is whole and its tables follow from its numbers."""

import argparse
from pathlib import Path

HELP = (
    "Check the files of releases against their checksums, rebuild their tables from "
    "their per-case metrics, and say of each table whether it is identical."
)
EXAMPLE = "deeprac verify resources/released/ablation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "release", type=Path, nargs="+", help="folder of a release; several may follow"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="results in which the experiments of one release were run again: also "
        "compare their metrics, case by case",
    )


def run(args: argparse.Namespace) -> None:
    import sys

    from deeprac.errors import ReleaseError
    from deeprac.release.verify import Outcome, compare_cases, lines, verify_release

    if args.against is not None and len(args.release) > 1:
        raise ReleaseError("--against compares one release: name one.")
    differ = []
    for release in args.release:
        verification = verify_release(release)
        sys.stdout.write(verification.text())
        if not verification.holds:
            differ.append(f"tables of {release}")
    if args.against is not None:
        fresh = compare_cases(args.release[0], args.against)
        sys.stdout.write(f"{args.against} against it:\n{lines(fresh)}")
        if any(one.outcome is Outcome.DIFFERENT for one in fresh):
            differ.append(f"metrics of {args.against}")
    if differ:
        raise ReleaseError(f"Different: {', '.join(differ)}. See the list above.")
