"""Trainings that are finished as far as files go, from which others may start."""

from deeprac.config import Config
from deeprac.files import write_json
from deeprac.layout import Layout
from deeprac.pretraining import INTENSITIES
from deeprac.records.run_key import selected_runs
from deeprac.records.runs import RUN_SCHEMA
from deeprac.settings.effective import run_settings

MEAN = 7.0
"""Of the foreground's intensities."""


def finish(config: Config) -> Layout:
    """Write what every selected run of a configuration leaves, without a training."""
    layout = Layout.of(config)
    for run in selected_runs(config):
        settings = run_settings(config, config.experiment(run.experiment))
        model = layout.model(run.experiment, run.seed)
        own = {"run_settings": settings, "intensity": config.cohort.intensity}
        write_json(model / "plans.json", {"deeprac": own})
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
    return layout
