"""Bring releases made before claims were data to this one.

    PYTHONPATH=src python resources/released/migrate_claims.py resources/released/NAME

The claims of config/claims.yaml become part of the configuration of a release, as they
are of a new one: a later change of that file changes no verdict of it. Tables are made
anew from the summary.
"""

import sys
from pathlib import Path

from remake_tables import write_tables

from deeprac.config_files import read_claims
from deeprac.files import read_json, write_json

CLAIMS = "config/claims.yaml"


def migrate(release: Path) -> None:
    """Add the claims in place."""
    path = release / "config.json"
    config = read_json(path)
    config["report"]["claims"] = read_claims(CLAIMS)
    write_json(path, config)
    write_tables(release)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        migrate(Path(argument))
