"""Verb verify: whether a release is whole and its tables follow from its numbers."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deeprac.release.verify import Comparison, Verification

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
    from deeprac.release.verify import Outcome, compare_cases, verify_release

    if args.against is not None and len(args.release) > 1:
        raise ReleaseError("--against compares one release: name one.")
    differ = []
    for release in args.release:
        verification = verify_release(release)
        sys.stdout.write(_text(verification))
        if not verification.holds:
            differ.append(f"tables of {release}")
    if args.against is not None:
        fresh = compare_cases(args.release[0], args.against)
        sys.stdout.write(f"{args.against} against it:\n{_lines(fresh)}")
        if any(one.outcome is Outcome.DIFFERENT for one in fresh):
            differ.append(f"metrics of {args.against}")
    if differ:
        raise ReleaseError(f"Different: {', '.join(differ)}. See the list above.")


def _text(verification: "Verification") -> str:
    manifest = verification.manifest
    cohort = manifest["cohort"]
    runs = [manifest[key] for key in ("experiments", "seeds", "folds")]
    uncommitted = manifest["uncommitted"]["runs"]
    return (
        f"{verification.release}\n"
        f"  {len(manifest['files'])} files have the checksums of the manifest\n"
        f"  cohort {cohort['name']} ({cohort['format']}): "
        f"{cohort['patients_scored']} patients, {cohort['cases_scored']} cases; "
        f"{len(runs[0])} experiments, {len(runs[1])} seeds, {len(runs[2])} folds\n"
        f"  trained on {', '.join(manifest['devices'])} at commit "
        f"{', '.join(manifest['commits']['training'])}"
        f"{f', {uncommitted} runs with uncommitted changes' if uncommitted else ''}\n"
        "  rebuilt from the per-case metrics, without images, training or GPU:\n"
        f"{_lines(verification.tables)}"
    )


def _lines(comparisons: "Iterable[Comparison]") -> str:
    return "".join(
        f"    {one.name:34} {one.outcome}{f': {one.detail}' if one.detail else ''}\n"
        for one in comparisons
    )
