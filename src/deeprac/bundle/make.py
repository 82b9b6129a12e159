"""Making a bundle of trained folds, or the folder that stock nnU-Net loads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeprac import provenance
from deeprac.bundle.allowed import ORACLE, check_plans
from deeprac.bundle.archive import write_bundle
from deeprac.bundle.card import INTENDED_USE, limits_of, metadata, summary
from deeprac.bundle.manifest import (
    DATASET,
    LICENCE,
    PLANS,
    POSTPROCESSING,
    SCHEMA,
    checkpoint,
)
from deeprac.bundle.steps import chosen_steps
from deeprac.bundle.training import cost_section, held_out_section, training_section
from deeprac.bundle.weights import MIRRORING, clean_checkpoint
from deeprac.cohort.frame import FRAME
from deeprac.config import Config
from deeprac.errors import BundleError
from deeprac.files import atomic_folder, json_text, read_json, write_bytes
from deeprac.front_ends import has_oracle, planned_parts
from deeprac.labels import CohortLabels
from deeprac.layout import Layout
from deeprac.preprocessing.matrices import CONFIGURATION, OWN_PLAN
from deeprac.records.run_key import RunKey
from deeprac.records.runs import read_run
from deeprac.release.contents import stripped_run
from deeprac.surgery.anatomy import BodySide, Kind, Structure
from deeprac.surgery.terminology import terms
from deeprac.training.plans import configuration_name, read_plans

PHANTOM = "phantom, not for patients"
"""Name of every bundle that was trained on phantoms."""


@dataclass(frozen=True)
class Model:
    """The trained folds of one experiment.

    Attributes:
        config: the whole configuration.
        experiment: its name.
        seed: of the runs.
        folds: their numbers.
    """

    config: Config
    experiment: str
    seed: int
    folds: tuple[int, ...]

    @property
    def layout(self) -> Layout:
        """Of the results."""
        return Layout.of(self.config)

    @property
    def folder(self) -> Path:
        """nnU-Net's model folder."""
        return self.layout.model(self.experiment, self.seed)

    @property
    def runs(self) -> list[RunKey]:
        """One for each fold."""
        name = self.config.cohort.name
        return [RunKey(name, self.experiment, self.seed, fold) for fold in self.folds]

    def plans(self) -> dict[str, Any]:
        """The plans, with the inference settings of the configuration.

        Raises:
            BundleError: they are missing, of volumes, an oracle's, of another cohort's
                network, or name foreign code.
        """
        if not (self.folder / "plans.json").is_file():
            raise BundleError(
                f"{self.folder} has no plans.json. Train {self.experiment} first, with "
                "the configuration that is given."
            )
        plans = read_plans(self.folder, self.config)
        if configuration_name(plans) != CONFIGURATION:
            raise BundleError(
                f"{self.experiment} segments volumes, and a bundle can only be of what "
                "segments slices. Bundle an experiment at a matrix of dimensions 2."
            )
        if has_oracle(*planned_parts(plans["deeprac"])):
            raise BundleError(ORACLE.format(self.experiment))
        method = self.config.methods[plans["deeprac"]["method"]]
        if method.zero_shot:
            raise BundleError(
                f"{self.experiment} is zero-shot: its network is another cohort's, and "
                f"this one trained nothing. Bundle {method.pretrain} of "
                f"{self.config.other_results(self.experiment)}."
            )
        # Plans of older versions do not say it.
        plans["deeprac"].setdefault("intensity", self.config.cohort.intensity)
        check_plans(plans)
        return plans

    def checkpoint(self, fold: int, changes: dict[str, Any] | None = None) -> bytes:
        """The weights of a fold, as ``clean_checkpoint`` returns them."""
        path = self.folder / f"fold_{fold}" / "checkpoint_final.pth"
        return clean_checkpoint(path, fold, changes)


@dataclass(frozen=True)
class Identity:
    """What a bundle is called, and under what its weights may be used.

    Attributes:
        name: for people; that of phantoms is fixed.
        version: three numbers.
        licence: file with the text.
    """

    name: str
    version: str
    licence: Path | None

    def licence_text(self) -> bytes:
        """Return the licence.

        Raises:
            BundleError: there is none, or it is empty.
        """
        if self.licence is None or not self.licence.is_file():
            given = f"{self.licence} is no file" if self.licence else "none is given"
            raise BundleError(
                "A bundle holds the licence of its weights, without which nobody may "
                f"use them: {given}. Say --licence FILE."
            )
        text = self.licence.read_bytes()
        if not text.strip():
            raise BundleError(f"{self.licence} is empty. Write the licence into it.")
        return text


def make_bundle(model: Model, identity: Identity, target: Path) -> dict[str, Any]:
    """Write a bundle of trained folds.

    Args:
        model: the folds.
        identity: name, version and licence.
        target: the file; it must not exist.

    Returns:
        The manifest.

    Raises:
        BundleError: there is a file of that name, no licence, or an oracle.
        RunError: a fold is not trained, or not predicted.
        MetricsError: a fold is not evaluated, or a table is foreign.
        SplitError: there is no such fold.
    """
    if target.exists():
        raise BundleError(
            f"{target} is there already. Name another file, or delete it."
        )
    licence, plans = identity.licence_text(), model.plans()
    dataset = read_json(model.folder / "dataset.json")
    files = {checkpoint(fold): model.checkpoint(fold) for fold in model.folds}
    records = [read_run(r.folder(model.layout) / "run.json", r) for r in model.runs]
    manifest = _manifest(model, identity, plans, dataset, records)
    steps = chosen_steps(model.runs, model.layout, CohortLabels.listed(dataset))
    files |= {
        PLANS: _json(plans),
        DATASET: _json(dataset),
        POSTPROCESSING: _json(steps.as_json()),
        "README.md": summary(manifest).encode(),
        LICENCE: licence,
        "configs/metadata.json": _json(metadata(manifest)),
        **{
            f"run_{run.fold}.json": _json(stripped_run(record, 1))
            for run, record in zip(model.runs, records, strict=True)
        },
    }
    return write_bundle(target, manifest, files)


def terminology(title: str) -> dict[str, str]:
    """SNOMED CT's codes of a label: category, type, side and anatomic region.

    Example:
        >>> terminology("kidney_left")["side"]
        '7771000'
    """
    kind, _, side = title.partition("_")
    found = terms(Structure(1, Kind(kind), BodySide(side or "unknown")))
    codes = {
        "category": found.category,
        "type": found.type,
        "side": found.type_side,
        "region": found.region,
    }
    known = {name: code.value for name, code in codes.items() if code is not None}
    return {"scheme": "SCT", **known}


def _manifest(
    model: Model,
    identity: Identity,
    plans: dict[str, Any],
    dataset: dict[str, Any],
    records: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    config, settings = model.config, plans["deeprac"]
    phantom = config.cohort.is_phantom
    labels = CohortLabels.listed(dataset).foreground
    manifest = {
        "schema": SCHEMA,
        "name": PHANTOM if phantom else identity.name,
        "version": identity.version,
        "intended_use": INTENDED_USE,
        "limits": [],
        "frame": FRAME,
        "intensity": settings["intensity"],
        "labels": {
            title: {"number": number, "terminology": terminology(title)}
            for title, number in labels.items()
        },
        "method": {
            "experiment": model.experiment,
            "name": settings["method"],
            "matrix": settings["matrix"],
            "seed": model.seed,
        },
        "folds": list(model.folds),
        "training": training_section(config, model.folds, records),
        "held_out": held_out_section(model.runs, model.layout),
        "cost": cost_section(model.runs, records, model.layout),
        "git": records[0]["git"],
        "software": provenance.software(),
    }
    return manifest | {"limits": limits_of(manifest)}


def make_nnunet_folder(model: Model, identity: Identity, target: Path) -> None:
    """Write the folder that stock nnU-Net loads, for the control at its own plan.

    Args:
        model: the folds.
        identity: of which the licence goes with the weights.
        target: the folder; it must not exist.

    Raises:
        BundleError: nnU-Net cannot load the method, there is no licence, or the folder
            is there.
        RunError: a fold is not trained.
    """
    licence, plans = identity.licence_text(), model.plans()
    preprocessor = plans["configurations"][configuration_name(plans)][
        "preprocessor_name"
    ]
    if preprocessor != OWN_PLAN:
        raise BundleError(
            f"{model.experiment} brings whole slices onto a matrix by a preprocessor "
            "that nnU-Net would seek in its own package. Only experiments at a planned "
            "matrix, nnU-Net's own plan, can be given to it; for others make a bundle."
        )
    settings = plans.pop("deeprac")
    axes = (0, 1) if settings["inference"]["mirroring"] else None
    changes = {"trainer_name": "nnUNetTrainer", MIRRORING: axes}
    files = {
        "plans.json": _json(plans),
        "dataset.json": (model.folder / "dataset.json").read_bytes(),
        LICENCE: licence,
    }
    for fold in model.folds:
        name = f"fold_{fold}/checkpoint_final.pth"
        files[name] = model.checkpoint(fold, changes)
    try:
        with atomic_folder(target) as folder:
            for name, content in files.items():
                write_bytes(folder / name, content)
    except FileExistsError as error:
        raise BundleError(f"{target} is there already. Name a new folder.") from error


def _json(content: Any) -> bytes:
    return json_text(content).encode()
