"""Verb status: how far every run is."""

import argparse
import time
from pathlib import Path

from deeprac.commands.arguments import add_config_files

HELP = (
    "Say of every run whether it waits, runs, was interrupted, failed or is done, from "
    "its files alone."
)
EXAMPLE = "deeprac status config/demo.yaml --watch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_files(parser)
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=10.0,
        metavar="SECONDS",
        help="again and again until all is done (default: every 10 s)",
    )
    parser.add_argument(
        "--figure",
        type=_picture,
        metavar="FILE",
        help="also draw losses and Dice of all trainings so far, as .svg or .png",
    )


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".svg", ".png"):
        raise argparse.ArgumentTypeError(f"{text} does not end with .svg or .png")
    return path


def run(args: argparse.Namespace) -> None:
    from deeprac.config import load_config
    from deeprac.files import json_text
    from deeprac.status import State, all_runs, as_json, text

    config = load_config(args.config)
    while True:
        runs = all_runs(config)
        print(json_text(as_json(runs)) if args.json else text(runs), flush=True)
        if args.figure is not None:
            from deeprac.reporting.figures.running import draw_running

            draw_running(config, args.figure)
        if args.watch is None or all(one.state is State.DONE for one in runs):
            return
        time.sleep(args.watch)
        if not args.json:
            print()
