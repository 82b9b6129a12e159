"""Verb figures: all figures as PNG, SVG and the plotted data as CSV."""

import argparse

from deeprac.commands.arguments import add_config

HELP = (
    "Draw the figures of a cohort as PNG and SVG, with the plotted data as CSV beside "
    "them."
)
EXAMPLE = (
    "deeprac figures --config results/demo/config.json --only dice_by_method overlays"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="names of figures: dice_by_method, time_vs_dice, memory, training_curves, "
        "learning_curve, stn_slices, stn_mean_image, overlays; default: all",
    )


def run(args: argparse.Namespace) -> None:
    from deeprac.config import load_config
    from deeprac.errors import ConfigError
    from deeprac.files import write_csv
    from deeprac.layout import Layout
    from deeprac.reporting.aggregate import experiment_rows
    from deeprac.reporting.figures.registry import FIGURES
    from deeprac.reporting.figures.sources import Sources
    from deeprac.reporting.style import save, theme
    from deeprac.reporting.summary import read_summary

    names = args.only or list(FIGURES)
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        raise ConfigError(
            f"--only names no figure: {', '.join(unknown)}. Known are "
            f"{', '.join(FIGURES)}."
        )
    config = load_config(args.config)
    layout = Layout.of(config)
    summary = read_summary(config, layout)
    rows = experiment_rows(config, summary.cases, summary.runs)
    sources = Sources(config, layout, summary, rows)
    with theme():
        for name in names:
            for drawing in FIGURES[name](sources):
                save(drawing.figure, layout.figures / drawing.name)
                write_csv(layout.figures / f"{drawing.name}.csv", drawing.data)
