"""Verb cost: what one training step costs, without a GPU and without data."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeprac.commands.arguments import add_config

if TYPE_CHECKING:
    from deeprac.config import Config

HELP = "Count FLOPs, saved bytes and parameters of one training step at its real sizes."
EXAMPLE = "deeprac cost --config config/config.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--experiment", action="append", help="only this one; repeat for more"
    )
    parser.add_argument(
        "--json", action="store_true", help="print numbers for machines"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write the configuration and its costs as JSON, for `deeprac claims`",
    )


def run(args: argparse.Namespace) -> None:
    import json

    from deeprac.config import Config
    from deeprac.config_files import read_raw, resolve
    from deeprac.files import write_json

    resolved = resolve(read_raw(args.config))
    config = Config.from_resolved(resolved)
    costs = count_steps(config, args.experiment or list(config.run.experiments))
    if args.output is not None:
        write_json(args.output, {"config": resolved, "costs": costs})
    if args.json:
        print(json.dumps(costs, indent=2))
    else:
        from deeprac.training.step import format_costs

        print(format_costs(costs))


def count_steps(config: "Config", experiments: list[str]) -> list[dict[str, Any]]:
    """Count a training step of each experiment; see ``experiment_costs``."""
    import tempfile

    from deeprac.commands.nnunet import configure_nnunet
    from deeprac.layout import Layout

    with tempfile.TemporaryDirectory() as folder:
        # nnU-Net's trainer wants folders even when it only builds a network.
        layout = Layout(Path(folder) / config.cohort.name)
        configure_nnunet(layout, workspace=Path(folder), data_workers=0)
        from deeprac.training.step import counted_steps

        return counted_steps(config, experiments)
