"""Verb bundle show: what a bundle is, by its manifest."""

import argparse
from pathlib import Path

HELP = "Say what a bundle is: intended use, limits, training, held-out metrics, cost."
EXAMPLE = "deeprac bundle show results/demo/bundles/fine_stn.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="file of the bundle")
    parser.add_argument(
        "--json", action="store_true", help="print the manifest for machines"
    )


def run(args: argparse.Namespace) -> None:
    import json
    import sys

    from deeprac.bundle.archive import opened
    from deeprac.bundle.card import summary

    with opened(args.bundle) as bundle:
        manifest = bundle.manifest
    text = json.dumps(manifest, indent=2) + "\n" if args.json else summary(manifest)
    sys.stdout.write(text)
