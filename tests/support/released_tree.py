"""A release of the synthetic results, and the results that it was made from."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from deeprac import provenance
from deeprac.cli import main
from deeprac.config import Config, load_config
from deeprac.files import read_json, write_json
from deeprac.layout import Layout
from deeprac.records.run_key import selected_runs
from deeprac.records.runs import TRAINING_DICE
from deeprac.release import join, source, verify
from deeprac.release.tables import made_tables
from support.results_tree import TreeOptions, write_tree

PSEUDONYMS = TreeOptions(
    case="case_a{0}b{0}c{0}d{0}", patient="patient_a{0}b{0}c{0}d{0}"
)
"""The tree with names of cases and patients as the workflow makes them."""

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Released:
    """Results, and the release made of them."""

    results: Path
    release: Path


def complete_results(folder: Path, options: TreeOptions | None = None) -> Path:
    """Write a tree and run everything after the predictions; return the results."""
    config_path = write_tree(folder, options)
    config = load_config([config_path])
    layout = Layout.of(config)
    arguments = ("--config", str(config_path))
    for key in selected_runs(config):
        run = ("--experiment", key.experiment, "--seed", str(key.seed))
        for verb in ("evaluate", "diagnose"):
            assert main([verb, *arguments, *run, "--fold", str(key.fold)]) == 0
        record = layout.run(key.experiment, key.seed, key.fold) / "run.json"
        write_json(record, read_json(record) | _provenance(folder))
    write_json(layout.config, read_json(config_path))
    for verb in ("summarise", "summarise --what diagnostics", "tables", "claims"):
        assert main([*verb.split(), *arguments]) == 0
    return layout.root


def _provenance(folder: Path) -> dict:
    """What a real run.json tells of machine and code, with what must not leave."""
    return {
        "host": {
            "name": "ward3-ct",
            "platform": "Linux-6.1.0-13-amd64-x86_64-with-glibc2.36",
            "processor": "AMD EPYC 7742 64-Core Processor",
            "cores": 2,
            "memory_gib": 23.5,
        },
        "software": {
            "python": "3.11.7",
            "torch": "2.9.0.dev20250909",
            "nnunetv2": None,
        },
        "git": {"commit": COMMIT, "dirty": False},
        "argv": [
            "/home/mueller/deeprac/__main__.py",
            *("train", "--config", str(folder / "config.json"), "--fold", "0"),
        ],
        "segments": [
            {
                "start": "2026-11-25T18:01:30+00:00",
                "stop": "2026-11-25T18:01:53+00:00",
                "first_epoch": 0,
                "last_epoch": 2,
            }
        ],
    }


def clean_checkout(patch: pytest.MonkeyPatch) -> None:
    """Make the releasing checkout a clean one, whatever it is while tests are run."""
    state = {"commit": COMMIT, "dirty": False}
    patch.setattr(provenance, "git_state", lambda: state)


@contextmanager
def tables_made_once() -> Iterator[None]:
    """Remember the tables of results: most tests change what has no part in them."""
    made: dict[str, dict[str, bytes]] = {}

    def remembered(config: Config, layout: Layout) -> dict[str, bytes]:
        key = _what_tables_show(config, layout)
        if key not in made:
            made[key] = made_tables(config, layout)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        for module in (join, source, verify):
            patch.setattr(module, "made_tables", remembered)
        yield


def _what_tables_show(config: Config, layout: Layout) -> str:
    settings = asdict(config)
    for key in ("results", "metrics", "release"):
        del settings[key]
    phantoms = settings["cohort"].pop("path") is None
    for key in ("patients", "private", "fetch"):
        del settings["cohort"][key]
    root = layout.root
    files = [*root.glob("summary/*"), *root.glob("*/seed*/fold_*/training.csv")]
    records = sorted(root.glob("*/seed*/fold_*/run.json"))
    shown = (
        json.dumps(settings, default=str),
        phantoms,
        [(str(path.relative_to(root)), path.read_bytes()) for path in sorted(files)],
        [(str(p.relative_to(root)), read_json(p).get(TRAINING_DICE)) for p in records],
    )
    return sha256(repr(shown).encode()).hexdigest()


def released_tree(folder: Path) -> Released:
    """Write results and release them as ``folder/releases/tree``."""
    results = complete_results(folder / "source", PSEUDONYMS)
    with pytest.MonkeyPatch.context() as patch:
        clean_checkout(patch)
        assert main(["release", str(results), "--to", str(folder / "releases")]) == 0
    return Released(results, folder / "releases" / "tree")
