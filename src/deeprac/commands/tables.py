"""Verb tables: the paper's tables beside ours, statistics and cost."""

import argparse

from deeprac.commands.arguments import add_config, opened

HELP = (
    "Write the paper's two tables, all experiments, the ladder of methods, statistics, "
    "planned comparisons, ranking and cost, as CSV, Markdown and LaTeX."
)
EXAMPLE = "deeprac tables --config results/demo/config.json --show"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--show", action="store_true", help="also print the paper's two tables"
    )


def run(args: argparse.Namespace) -> None:
    import sys

    from deeprac.files import write_csv, write_text
    from deeprac.reporting.render import latex, markdown, terminal
    from deeprac.reporting.summary import read_summary
    from deeprac.reporting.tables import all_tables

    config, layout = opened(args)
    tables = all_tables(read_summary(config, layout))
    for name, table in tables.items():
        write_csv(layout.tables / f"{name}.csv", table.all_rows)
        write_text(layout.tables / f"{name}.md", markdown(table))
        write_text(layout.tables / f"{name}.tex", latex(table))
    if args.show:
        for number in (1, 2):
            sys.stdout.write(
                f"\nTable {number}. {terminal(tables[f'table{number}'])}\n"
            )
