"""Verb claims: the ablation's numbers against their thresholds."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeprac.commands.arguments import add_config

if TYPE_CHECKING:
    from deeprac.config import Config

HELP = (
    "Print what was claimed, the threshold, what was measured, and whether it holds; "
    "write tables/claims.csv and claims.md."
)
EXAMPLE = "deeprac claims --config results/ablation/config.json --json"
PROTOCOL = Path("config/config.yaml")


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
        f"default: {PROTOCOL}, the paper's",
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

    from deeprac.config import load_config
    from deeprac.files import write_csv, write_text
    from deeprac.layout import Layout
    from deeprac.reporting.claims import render
    from deeprac.reporting.claims.collect import all_claims, read_protocol
    from deeprac.reporting.claims.evidence import read_evidence

    config = load_config(args.config)
    layout = Layout.of(config)
    evidence = read_evidence(config, layout, args.matrix)
    counted = args.costs or layout.summary_protocol
    if args.protocol is None and (args.costs or counted.is_file()):
        protocol, costs = read_protocol(counted)
    else:
        protocol = _protocol(args.protocol)
        costs = _costs(protocol)
    results = all_claims(evidence, protocol, costs)
    title = render.title(config.cohort.name, evidence.cast.matrix)
    write_csv(layout.tables / "claims.csv", render.to_frame(results))
    write_text(layout.tables / "claims.md", render.markdown(results, title=title))
    if args.json:
        sys.stdout.write(json.dumps(render.to_records(results), indent=2) + "\n")
    else:
        sys.stdout.write(f"{title}\n\n{render.terminal(results)}")


def _protocol(path: Path | None) -> "Config | None":
    """The paper's protocol where the working directory has it, or what was named."""
    from deeprac.config import load_config

    if path is None and not PROTOCOL.is_file():
        return None
    return load_config([path or PROTOCOL])


def _costs(protocol: "Config | None") -> list[dict[str, Any]]:
    """Count a training step of the protocol's experiments that have a threshold."""
    from deeprac.commands.cost import count_steps
    from deeprac.reporting.claims.overhead import counted_experiments

    experiments = [] if protocol is None else counted_experiments(protocol)
    return count_steps(protocol, experiments) if experiments else []
