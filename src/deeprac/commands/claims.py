"""Verb claims: the ablation's numbers against their thresholds."""

import argparse
from pathlib import Path

from deeprac.commands.arguments import add_config, opened

HELP = (
    "Print what was claimed, the threshold, what was measured, and whether it holds; "
    "write tables/claims.csv and claims.md."
)
EXAMPLE = "deeprac claims --config results/ablation/config.json --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--matrix", help="name of the matrix; default: the one with most experiments"
    )
    parser.add_argument(
        "--protocol",
        type=Path,
        metavar="FILE",
        help="configuration at whose sizes the overhead of a training step is counted; "
        "default: config/config.yaml, the paper's",
    )
    parser.add_argument(
        "--costs",
        type=Path,
        metavar="FILE",
        help="the overhead counted beforehand (`deeprac cost --output`); default: "
        "summary/protocol.json of the results where it is there, else it is counted",
    )
    parser.add_argument(
        "--json", action="store_true", help="print records for machines"
    )


def run(args: argparse.Namespace) -> None:
    import json
    import sys

    from deeprac.commands.cost import count_steps
    from deeprac.files import write_csv, write_text
    from deeprac.reporting.claims import collect, render
    from deeprac.reporting.claims.evidence import read_evidence

    config, layout = opened(args)
    evidence = read_evidence(config, layout, args.matrix)
    counted = args.costs or layout.summary_protocol
    if args.protocol is None and (args.costs or counted.is_file()):
        protocol, costs = collect.read_protocol(counted)
    else:
        protocol, costs = collect.counted_protocol(args.protocol, count_steps)
    results = collect.all_claims(evidence, protocol, costs)
    title = render.title(config.cohort.name, evidence.cast.matrix)
    write_csv(layout.tables / "claims.csv", render.to_frame(results))
    write_text(layout.tables / "claims.md", render.markdown(results, title=title))
    if args.json:
        sys.stdout.write(json.dumps(render.to_records(results), indent=2) + "\n")
    else:
        sys.stdout.write(f"{title}\n\n{render.terminal(results)}")
