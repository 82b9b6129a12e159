"""Bring releases made before the network of La Barbera et al. had its name to this one.

    python resources/released/migrate_names.py resources/released/NAME ...

Names alone change: the method ``stn_released`` to ``stn_labarbera``, the section
``released`` to ``labarbera``, ``claim`` of planned comparisons to ``test``, the reference
``target`` to ``case_pose``, the table ``findings`` to ``claims``. What was typed when a
run was trained (``argv``) stays. Tables are made anew from the summary; the manifest then
lists what is there.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from deeprac.config import Config
from deeprac.files import csv_text, json_text, read_json, write_json, write_text
from deeprac.layout import Layout
from deeprac.release.configuration import laid_out_config
from deeprac.release.manifest import MANIFEST, entry
from deeprac.release.tables import made_tables

OLD, NEW = "stn_released", "stn_labarbera"
KEYS = {"released": "labarbera"}
LABELS = {
    "STN pose-size as released + nnU-Net": "STN pose-size (La Barbera) + nnU-Net",
    "STN pose-size + crop as released + nnU-Net": (
        "STN pose-size + crop (La Barbera) + nnU-Net"
    ),
}


def renamed(value: object) -> object:
    """A JSON value with the names of today."""
    if isinstance(value, dict):
        named = {renamed(key): renamed(part) for key, part in value.items()}
        if "comparisons" in named.get("statistics", {}):  # a configuration
            named = {KEYS.get(key, key): part for key, part in named.items()}
            for row in named["statistics"]["comparisons"]:
                row["test"] = row.pop("claim")
        return named
    if isinstance(value, list):
        return [renamed(part) for part in value]
    if isinstance(value, str):
        return LABELS.get(value, value.replace(OLD, NEW))
    return value


def migrate(release: Path) -> None:
    """Rename in place."""
    for folder in release.glob(f"{OLD}*"):
        folder.rename(release / folder.name.replace(OLD, NEW))
    config = release / "config.json"
    write_json(config, renamed(read_json(config)))
    for path in release.glob("*/seed*/fold_*/run.json"):
        run = read_json(path)
        write_text(path, json_text(renamed(run) | {"argv": run["argv"]}))
    for path in (release / "summary").iterdir():
        if path.suffix == ".json":
            write_json(path, renamed(read_json(path)))
            continue
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in ("experiment", "method"):
            if column in table:
                table[column] = table[column].str.replace(OLD, NEW)
        if "reference" in table and path.name == "diagnostics.csv":
            table["reference"] = table["reference"].replace("target", "case_pose")
        write_text(path, csv_text(table))
    write_tables(release, renamed(read_json(release / MANIFEST)))


def write_tables(release: Path, manifest: dict[str, Any]) -> None:
    """Make the tables of a release anew, and list all of its files in the manifest."""
    laid_out = Config.from_resolved(laid_out_config(release, "results"))
    made = made_tables(laid_out, Layout(release))
    for path in (release / "tables").iterdir():
        path.unlink()
    for name, content in made.items():
        (release / name).write_bytes(content)
    files = (
        p for p in sorted(release.rglob("*")) if p.is_file() and p.name != MANIFEST
    )
    manifest["files"] = {
        path.relative_to(release).as_posix(): entry(path.read_bytes()) for path in files
    }
    write_json(release / MANIFEST, manifest)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        migrate(Path(argument))
