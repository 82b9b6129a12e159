"""Finished runs are not trained over by chance; who wants it says so and keeps them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deeprac.config import Config
from deeprac.errors import RunError
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.other_cases import taken
from deeprac.records.run_key import RunKey
from deeprac.records.runs import OTHER_CASES, PRETRAINING
from deeprac.settings.effective import differences, run_settings

SHOWN = 3
"""Runs, and keys of each, that a message names."""


def refuse_retraining(config: Config, planned: Iterable[RunKey]) -> None:
    """Stop before anything is deleted where finished runs of other settings would be.

    With ``training.retrain`` they move to ``Layout.replaced`` instead.

    Args:
        config: the whole configuration.
        planned: the trainings that are about to start.

    Raises:
        RunError: with the runs and what differs; or what they start from is not there.
    """
    layout, refused = Layout.of(config), {}
    for run in planned:
        path = run.folder(layout) / "run.json"
        record = read_json(path) if path.is_file() else {}
        old = record.get("run_settings")
        if old is None:
            continue  # not finished, or of a version that did not record them
        new = run_settings(config, config.experiment(run.experiment))
        keys = (PRETRAINING, OTHER_CASES)
        before = {key: record[key] for key in keys if key in record}
        found = [*differences(old, new), *differences(before, taken(config, run))]
        if found and config.training.retrain:
            replace(layout, run)
        elif found:
            refused[run] = found
    if refused:
        raise RunError(_message(refused))


def _message(refused: dict[RunKey, list[str]]) -> str:
    lines = [
        f"  {run}: {'; '.join(found[:SHOWN])}{_more(found)}"
        for run, found in list(refused.items())[:SHOWN]
    ]
    return (
        f"{len(refused)} finished runs would be trained again and lose their weights, "
        "because settings have changed:\n"
        + "\n".join(lines)
        + _more(list(refused))
        + "\nRestore the settings or give the new ones a cohort.name of their own; to "
        "train these runs again set training.retrain to true, and the old ones move to "
        ".replaced/ in the results."
    )


def _more(items: list[Any]) -> str:
    return f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""


def replace(layout: Layout, run: RunKey) -> Path:
    """Move all that a run has left out of the way; return where to."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = layout.replaced(*run.parts) / now
    for name, folder in (
        ("run", run.folder(layout)),
        ("checkpoints", layout.checkpoints(*run.parts)),
    ):
        if folder.exists():
            target.mkdir(parents=True, exist_ok=True)
            folder.rename(target / name)
    return target
