"""Verb bundle check: whether a bundle is whole, safe and what it says."""

import argparse
from pathlib import Path

HELP = (
    "Check every byte of a bundle against its checksums, and that it names no foreign "
    "code, no oracle and a licence; unpack it on demand."
)
EXAMPLE = "deeprac bundle check results/demo/bundles/fine_stn.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="file of the bundle")
    parser.add_argument(
        "--unpack",
        type=Path,
        metavar="FOLDER",
        help="a new folder into which its files are written",
    )


def run(args: argparse.Namespace) -> None:
    import sys

    from deeprac.bundle.archive import check_bundle, unpack_bundle
    from deeprac.bundle.manifest import shown

    manifest = check_bundle(args.bundle)
    if args.unpack is not None:
        unpack_bundle(args.bundle, args.unpack)
    sys.stdout.write(
        f"{args.bundle}: {shown(manifest['name'])} {manifest['version']} is whole; "
        f"{len(manifest['files'])} files have the checksums of bundle.json\n"
    )
