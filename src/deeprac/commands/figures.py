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
        help="names of figures, overlays for those of all matrices; default: all that "
        "the configuration has something to show in; an unknown name lists these",
    )


def run(args: argparse.Namespace) -> None:
    from deeprac.config import load_config
    from deeprac.errors import ConfigError
    from deeprac.files import write_csv
    from deeprac.layout import Layout
    from deeprac.reporting.figures.catalogue import selected
    from deeprac.reporting.figures.registry import FIGURES
    from deeprac.reporting.style import save, theme
    from deeprac.reporting.summary import read_summary

    config = load_config(args.config)
    known = list(dict.fromkeys(entry.name for entry in selected(config).values()))
    unknown = [name for name in args.only or () if name not in known]
    if unknown:
        raise ConfigError(
            f"--only names no figure of this configuration: {', '.join(unknown)}. It "
            f"has {', '.join(known)}."
        )
    layout = Layout.of(config)
    summary = read_summary(config, layout)
    with theme():
        for name in args.only or known:
            for drawing in FIGURES[name](summary):
                save(drawing.figure, layout.figures / drawing.name)
                write_csv(layout.figures / f"{drawing.name}.csv", drawing.data)
