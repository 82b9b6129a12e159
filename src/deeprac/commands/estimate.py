"""Verb estimate: what a configuration will take, before it runs."""

import argparse
import logging

from deeprac.commands.arguments import add_config_files

HELP = (
    "Say what a configuration will take of disk, memory and time, and how many jobs it "
    "makes, from its files and those of its results."
)
EXAMPLE = "deeprac estimate config/config.yaml --gpus 4"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_files(parser)
    parser.add_argument(
        "--gpus",
        type=_count,
        default=1,
        metavar="N",
        help="trainings at the same time (default: 1)",
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument(
        "--only-warn",
        action="store_true",
        help="say nothing but whether the disk will not suffice",
    )


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return count


def run(args: argparse.Namespace) -> None:
    import tempfile
    from pathlib import Path

    from deeprac.commands.nnunet import configure_nnunet
    from deeprac.config import load_config
    from deeprac.files import json_text
    from deeprac.layout import Layout

    config = load_config(args.config)
    with tempfile.TemporaryDirectory() as folder:
        # nnU-Net wants to know its folders before it plans or builds a network.
        configure_nnunet(Layout(Path(folder)), workspace=Path(folder), data_workers=0)
        from deeprac.estimate.disk import estimate_disk
        from deeprac.estimate.estimate import as_json, estimate, text, warning

        if args.only_warn:
            disk = estimate_disk(config, gpus=args.gpus)
            if said := warning(disk, str(Layout.of(config).root)):
                log.warning("%s", said)
            return
        found = estimate(config, gpus=args.gpus)
    print(json_text(as_json(found)) if args.json else text(found))
