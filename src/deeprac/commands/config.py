"""Verb config: the configuration with every default written out."""

import argparse
from pathlib import Path

HELP = "Check a configuration, fill in its defaults, and write or print it as JSON."
EXAMPLE = "deeprac config --config config/config.yaml --config config/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        action="append",
        default=[],
        help="YAML or JSON file; repeatable, later files change earlier ones",
    )
    parser.add_argument(
        "--json", default="{}", help="JSON text that changes the files in turn"
    )
    parser.add_argument(
        "--output", type=Path, help="file to write; default: standard output"
    )


def run(args: argparse.Namespace) -> None:
    import json
    import sys

    from deeprac.config import Config
    from deeprac.config_files import read_raw, resolve
    from deeprac.errors import ConfigError
    from deeprac.files import write_json
    from deeprac.schema import merge
    from deeprac.strict import parse_json

    try:
        overlay = parse_json(args.json)
    except ValueError as error:
        raise ConfigError(
            f"--json is not valid JSON ({error}). Quote it for the shell: "
            """--json '{"training": {"device": "cpu"}}'."""
        ) from error
    resolved = resolve(merge(read_raw(args.config), overlay))
    Config.from_resolved(resolved)  # what one key says about another
    if args.output:
        write_json(args.output, resolved)
    else:
        json.dump(resolved, sys.stdout, indent=2)
        sys.stdout.write("\n")
