"""Trainings that are finished as far as files go, from which others may start."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from deeprac.cohort.build import dataset_json
from deeprac.config import Config
from deeprac.config_files import resolve
from deeprac.files import write_csv, write_json, write_text
from deeprac.layout import ENDINGS, Layout
from deeprac.pretraining import INTENSITIES
from deeprac.records.run_key import selected_runs
from deeprac.records.runs import RUN_SCHEMA
from deeprac.settings.effective import run_settings
from support.summary_builder import REPO

MEAN = 7.0
"""Of the foreground's intensities."""

SPLIT = {"train": ["a", "b"], "val": ["c"]}
"""Cases of the one fold that there is."""


def row(method: str, **keys: object) -> dict[str, object]:
    """An experiment that is named after its method."""
    return {"experiment": method, "matrix": "coarse", "method": method, **keys}


def configured(
    folder: Path, experiments: list[str | dict], **sections: object
) -> Config:
    """A configuration whose results lie in a folder."""
    rows = [row(name) if isinstance(name, str) else name for name in experiments]
    raw = {
        "results": str(folder),
        "methods": str(REPO / "config/methods.yaml"),
        "experiments": rows,
        "statistics": {"comparisons": []},
        **sections,
    }
    return Config.from_resolved(resolve(raw))


def children(
    folder: Path, method: str = "stn_fine_tune", **sections: dict[str, object]
) -> Config:
    """A configuration of a method that takes from the results of adults beside it."""
    section = {"results": str(folder / "adults")} | sections.pop("pretraining", {})
    cohort = {"name": "children"} | sections.pop("cohort", {})
    return configured(folder, [method], cohort=cohort, pretraining=section, **sections)


def finish(config: Config) -> Layout:
    """Write what every selected run of a configuration leaves, without a training."""
    layout = Layout.of(config)
    for run in selected_runs(config):
        settings = run_settings(config, config.experiment(run.experiment))
        model = layout.model(run.experiment, run.seed)
        own = {"run_settings": settings, "intensity": config.cohort.intensity}
        plans = {INTENSITIES: {"0": {"mean": MEAN}}, "deeprac": own}
        write_json(model / "plans.json", plans)
        labels = {"labels": config.cohort.kept_labels.numbers}
        write_json(model / "dataset.json", labels)
        names = ("cohort", "experiment", "seed", "fold")
        record = {
            **{name: getattr(run, name) for name in names},
            "schema": RUN_SCHEMA,
            "run_settings": settings,
            "config_sha256": "5e",
            "git": {"commit": "c0ffee"},
        }
        write_json(run.folder(layout) / "run.json", record)
        weights = run.folder(layout) / "checkpoint_final.pth"
        weights.write_text(f"weights of {run}")
    write_json(layout.fingerprint, {INTENSITIES: {"0": {"mean": MEAN}}})
    _prepare(config, layout)
    return layout


def _prepare(config: Config, layout: Layout) -> None:
    """Write what preparing a cohort leaves, without a volume."""
    cases = [*SPLIT["train"], *SPLIT["val"]]
    write_json(layout.config, json.loads(json.dumps(asdict(config), default=str)))
    write_json(layout.splits, [SPLIT])
    labels = config.cohort.kept_labels
    write_json(layout.dataset_json, dataset_json(labels, len(cases)))
    hashes = [f"{config.cohort.name} {case}" for case in cases]
    table = {"case": cases, "patient": cases, "image_sha256": hashes}
    write_csv(layout.cases_csv, pd.DataFrame(table))
    write_text(layout.case_poses, "poses")
    made = {
        "fingerprint": {INTENSITIES: {"0": {"mean": MEAN}}},
        "cases": dict(zip(cases, hashes, strict=True)),
    }
    for matrix in config.matrices:
        layout.slices(matrix).mkdir(parents=True)
        for name in (f"{case}{ending}" for case in cases for ending in ENDINGS):
            (layout.slices(matrix) / name).touch()
        write_json(layout.matrix(matrix) / "cases.json", made)
