"""Finished trainings of another cohort, from whose weights this one's start.

As in nnU-Net, the architecture is the same, all weights come along but those of the
segmentation heads, and both cohorts' slices are normalised by one fingerprint. What
must agree is compared here, from files, before anything is computed; whether the
weights themselves fit is seen when they are loaded (``training.pretrained``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeprac.config import Config
from deeprac.errors import RunError
from deeprac.files import read_json, sha256_of
from deeprac.layout import Layout
from deeprac.records.cases import read_cases
from deeprac.records.run_key import RunKey
from deeprac.records.splits import read_split, unseen
from deeprac.settings.effective import differences, run_settings

INTENSITIES = "foreground_intensity_properties_per_channel"
"""Entry of a fingerprint, and of nnU-Net's plans, by which slices are normalised."""

METHOD_PARTS = ("normaliser", "crop", "network_input", "crop_size")
"""Keys of a method that make its network."""

FRONT_END_PARTS = (
    *("input_size", "base_features", "canonical_radius", "crop_margin"),
    *("max_log_scale", "max_angle_deg", "max_shift"),
)
"""Keys of a front end's settings that make its network; the others are of losses."""

SHOWN = 3
"""Keys, or cases, that a message names."""


@dataclass(frozen=True)
class Source:
    """A finished training of another cohort.

    Attributes:
        layout: of that cohort's results.
        experiment: its name there.
        seed: of that training.
        fold: of that training.
    """

    layout: Layout
    experiment: str
    seed: int
    fold: int

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.layout.run(self.experiment, self.seed, self.fold)

    @property
    def weights(self) -> Path:
        """Its final checkpoint."""
        return self.folder / "checkpoint_final.pth"

    @property
    def files(self) -> list[Path]:
        """What a training that starts from it reads."""
        return [self.weights]

    @property
    def record(self) -> dict[str, Any]:
        """Content of its run.json."""
        return read_json(self.folder / "run.json")

    def identity(self) -> dict[str, Any]:
        """What names it in the record of a training that started from it."""
        record = self.record
        return {
            **{key: record[key] for key in ("cohort", "experiment", "seed", "fold")},
            "commit": record["git"]["commit"],
            "config_sha256": record["config_sha256"],
            "weights_sha256": sha256_of(self.weights),
        }


def source_of(config: Config, run: RunKey) -> Source | None:
    """Return what a run starts from, checked; None where that is nothing.

    Args:
        config: the whole configuration.
        run: one of its runs.

    Raises:
        RunError: it is missing or unfinished, or has another architecture, other
            labels or another normalisation of intensities.
    """
    method = config.methods[config.experiment(run.experiment).method]
    section, results = config.pretraining, config.other_results(run.experiment)
    if method.pretrain is None or results is None:
        return None
    seed = section.seed_for(run.seed)
    source = Source(Layout(results), method.pretrain, seed, section.fold)
    if lacking := next(_lacking(source), None):
        raise RunError(
            f"{run} starts from a finished training of {results}, but "
            f"{lacking}. Run the workflow of that cohort to its end first, or change "
            "the section pretraining."
        )
    if found := list(_unlike(config, run, source)):
        raise RunError(
            f"{run} starts from {source.folder}, which is of another network or "
            f"normalisation: {'; '.join(found[:SHOWN])}. Give both the same "
            "settings, or start from another training."
        )
    return source


def _lacking(source: Source) -> Iterator[str]:
    """What of a training is not there; run.json is written last."""
    model = source.layout.model(source.experiment, source.seed)
    for path, what in (
        (source.layout.root, "there is no such folder"),
        (model.parent, f"it has no experiment {source.experiment}"),
        (model, f"{source.experiment} has no seed {source.seed}"),
        (source.folder, f"{source.experiment} has no fold {source.fold} there"),
        (source.folder / "run.json", f"{source.folder} has not finished"),
        (source.weights, f"{source.weights} is missing"),
        (model / "plans.json", f"{model / 'plans.json'} is missing"),
        (model / "dataset.json", f"{model / 'dataset.json'} is missing"),
    ):
        if not path.exists():
            yield what


def _unlike(config: Config, run: RunKey, source: Source) -> Iterator[str]:
    """What differs between a training and what it starts from: there -> here."""
    experiment = config.experiment(run.experiment)
    model = source.layout.model(source.experiment, source.seed)
    whole = read_json(model / "plans.json")
    plans = whole["deeprac"]
    old = source.record.get("run_settings") or plans["run_settings"]
    yield from differences(_network(old), _network(run_settings(config, experiment)))
    moved = moved_intensities(config)  # none: normalised anew, as it was asked for
    yield from differences(
        {
            "labels": read_json(model / "dataset.json")["labels"],
            "intensity": plans["intensity"],
            **{key: whole[key] for key in moved},
        },
        {
            "labels": config.cohort.kept_labels.numbers,
            "intensity": config.cohort.intensity,
            **moved,
        },
    )


def _network(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run that make its network."""
    matrix, front_end = settings["matrix"], settings["front_end"] or {}
    return {
        "matrix": {"dimensions": 2}  # where it is not named
        | {key: matrix[key] for key in matrix if key != "batch_size"},
        "method": {k: v for k, v in settings["method"].items() if k in METHOD_PARTS},
        "front_end": {k: v for k, v in front_end.items() if k in FRONT_END_PARTS},
        "network": settings["network"],
        "air": settings["air"],
    }


def moved_intensities(config: Config) -> dict[str, Any]:
    """Return foreground intensities that take the place of the cohort's own, if any.

    As ``nnUNetv2_move_plans_between_datasets`` does: the moved plans keep the
    intensities of the data set that they are from. Spacings and sizes stay.

    Raises:
        RunError: that cohort has no fingerprint.
    """
    path = pretraining_fingerprint(config)
    if path is None:
        return {}
    if not path.exists():
        raise RunError(
            f"Slices are normalised as those of the pretraining, but {path} is "
            "missing. Run the workflow of that cohort first, or set "
            "pretraining.fingerprint to own."
        )
    return {INTENSITIES: read_json(path)[INTENSITIES]}


def pretraining_fingerprint(config: Config) -> Path | None:
    """The fingerprint by which slices are normalised; None: the cohort's own."""
    section = config.pretraining
    if section.results is None or section.fingerprint == "own":
        return None
    return Layout(section.results).fingerprint


def refuse_known_cases(config: Config, run: RunKey) -> None:
    """No network may have been trained on the cases on which it is judged.

    Raises:
        RunError: the other cohort's training cases, on which the run starts from a
            network or draws its slices, hold an image that it predicts.
    """
    results, fold = config.other_results(run.experiment), config.pretraining.fold
    if results is None:
        return
    layout, other = Layout.of(config), Layout(results)
    judged = unseen(read_split(layout.splits, run.fold))
    trained = read_split(other.splits, fold)["train"]
    images = [
        read_cases(cohort.cases_csv, ("case", "image_sha256")).image_sha256.loc[cases]
        for cohort, cases in ((layout, judged), (other, trained))
    ]
    known = images[0][images[0].isin(images[1])].index
    if len(known):
        raise RunError(
            f"{run} is judged by {len(known)} cases whose images are among the "
            f"training cases of {results}, fold {fold}. Leave them out "
            "of one of the cohorts."
        )
