"""Verb figures: all figures as PNG, SVG and the plotted data as CSV."""

import argparse

from deeprac.commands.arguments import add_config, opened

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
        help="names of figures, overlays for those of all matrices; default: all that "
        "the configuration has something to show in; an unknown name lists these",
    )


def run(args: argparse.Namespace) -> None:
    from deeprac.reporting.figures.draw import draw_figures

    draw_figures(*opened(args), args.only)
