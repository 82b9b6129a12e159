"""Verb claims: what is claimed, and whether the results of a cohort hold it."""

import argparse
from pathlib import Path

from deeprac.commands.arguments import add_config

HELP = (
    "Judge claims by the results of a cohort: reached, missed, or not decidable and "
    "why; write tables/claims.csv and claims.md. What a step of the paper's protocol "
    "costs is read from summary/protocol.json (`deeprac cost --output`)."
)
EXAMPLE = "deeprac claims --config results/ablation/config.json --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--claims",
        type=Path,
        metavar="FILE",
        help="claims to judge instead of report.claims; they are printed, and no table "
        "is written",
    )
    parser.add_argument(
        "--json", action="store_true", help="print records for machines"
    )


def run(args: argparse.Namespace) -> None:
    import json
    import sys

    from deeprac.config import Config
    from deeprac.config_files import read_raw, resolve
    from deeprac.files import write_csv, write_text
    from deeprac.layout import Layout
    from deeprac.reporting.claims import render
    from deeprac.reporting.claims.collect import cohort_claims
    from deeprac.reporting.summary import read_summary
    from deeprac.schema import merge

    raw = read_raw(args.config)
    if args.claims is not None:
        raw = merge(raw, {"report": {"claims": str(args.claims)}})
    config = Config.from_resolved(resolve(raw))
    layout = Layout.of(config)
    results = cohort_claims(read_summary(config, layout))
    title = render.title(config.cohort.name)
    if args.claims is None:
        write_csv(layout.tables / "claims.csv", render.to_frame(results))
        write_text(layout.tables / "claims.md", render.markdown(results, title=title))
    if args.json:
        sys.stdout.write(json.dumps(render.to_records(results), indent=2) + "\n")
    else:
        sys.stdout.write(f"{title}\n\n{render.terminal(results)}")
