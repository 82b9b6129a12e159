"""What verbs share: arguments, each spelled and explained once, and what they open."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deeprac.config import Config
    from deeprac.layout import Layout


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``, repeatable; later files overlay earlier ones."""
    parser.add_argument(
        "--config",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="configuration, YAML or JSON; repeat to overlay",
    )


def add_config_files(parser: argparse.ArgumentParser) -> None:
    """Add the same as plain arguments, for verbs that users call by hand."""
    parser.add_argument(
        "config",
        type=Path,
        nargs="+",
        metavar="CONFIG",
        help="configuration, YAML or JSON; later files overlay earlier ones",
    )


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``, ``--experiment`` and ``--seed``."""
    add_config(parser)
    parser.add_argument("--experiment", required=True, help="name of the experiment")
    parser.add_argument("--seed", type=int, default=0, help="seed of the run")


def add_workers(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--workers``; ``what`` says what the processes do."""
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help=f"processes that {what} at the same time (default: 1)",
    )


def add_releases(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add ``--to``, ``--allow-dirty`` and ``--replace``; ``verb`` says what is done."""
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
        help=f"{verb} also what no commit can reproduce; the release says so",
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace a release of that name"
    )


def extent_of(manifest: dict[str, Any]) -> str:
    """How large a release is that was written."""
    size = sum(file["bytes"] for file in manifest["files"].values())
    return f"{len(manifest['files'])} files, {size / 1e6:.1f} MB"


def add_patient(parser: argparse.ArgumentParser, age: str) -> None:
    """Add ``--age``, ``--timepoint`` and ``--margin``; ``age`` explains the first."""
    parser.add_argument("--age", type=_age_years, metavar="YEARS", help=age)
    parser.add_argument(
        "--timepoint",
        choices=("diagnosis", "after_chemotherapy"),
        help="when the CT was taken; without it no protocol's number is compared",
    )
    parser.add_argument(
        "--margin",
        type=_margin_mm,
        default=0.0,
        metavar="MM",
        help="also tell what remains without the tumours and a rim of this width",
    )


def _age_years(text: str) -> float:
    return _within(0, 120, text)


def _margin_mm(text: str) -> float:
    return _within(0, 50, text)


def _within(low: float, high: float, text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and low <= value <= high):
        raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
    return value


def opened(args: argparse.Namespace) -> "tuple[Config, Layout]":
    """The configuration that the arguments name, and where its results lie."""
    from deeprac.config import load_config
    from deeprac.layout import Layout

    config = load_config(args.config)
    return config, Layout.of(config)
