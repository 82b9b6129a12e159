"""Bundles of tiny networks that nobody trained, sound and damaged."""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from deeprac.bundle.archive import write_bundle
from deeprac.bundle.card import INTENDED_USE
from deeprac.bundle.make import terminology
from deeprac.bundle.manifest import checkpoint
from deeprac.config import load_config
from deeprac.files import json_text
from deeprac.labels import KIDNEY_AND_TUMOUR
from deeprac.preprocessing.matrices import CONFIGURATION
from deeprac.surgery.postprocess import Postprocessing
from deeprac.training.plans import build_plans, dataset_json
from support.fingerprints import fingerprint
from support.toy_cohort import PLANNED_TOY, write_config

TARGET_MM = (4.0, 0.9, 0.9)
COHORT = fingerprint((TARGET_MM, (4, 24, 16)))
"""Planned patches have 24 x 16 pixels."""


def toy_plans(folder: Path, experiment: str, **inference) -> tuple[dict, dict]:
    """Plans and dataset.json of an experiment of the toy."""
    sections = PLANNED_TOY if experiment.startswith("planned") else {}
    config = load_config([write_config(folder, sections)])
    plans = build_plans(config, config.experiment(experiment), 0, COHORT)
    plans["deeprac"]["inference"] |= inference
    return plans, dataset_json(config, 4)


def toy_weights(plans: dict, seed: int) -> dict[str, torch.Tensor]:
    """State of an untrained network of the plans."""
    configuration = PlansManager(plans).get_configuration(CONFIGURATION)
    torch.manual_seed(seed)
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1,
        len(KIDNEY_AND_TUMOUR.numbers),
        deep_supervision=False,
    )
    return network.state_dict()


def toy_members(plans: dict, dataset: dict, folds: Sequence[int]) -> dict[str, bytes]:
    """Content of all members but the manifest."""
    files = {
        "model/plans.json": json_text(plans).encode(),
        "model/dataset.json": json_text(dataset).encode(),
        "postprocessing.json": json_text(Postprocessing().as_json()).encode(),
        "README.md": b"# A toy\n",
        "LICENSE": b"For tests alone.\n",
        "configs/metadata.json": b"{}\n",
    }
    for fold in folds:
        stream = io.BytesIO()
        torch.save({"network_weights": toy_weights(plans, fold)}, stream)
        files[checkpoint(fold)] = stream.getvalue()
        files[f"run_{fold}.json"] = b"{}\n"
    return files


def toy_manifest(folds: Sequence[int], **changes) -> dict:
    """A manifest without its list of files."""
    summary = {"n": 3, "mean": 0.5, "sd": 0.1, "median": 0.5}
    manifest = {
        "schema": 1,
        "name": "toy",
        "version": "0.1.0",
        "intended_use": INTENDED_USE,
        "limits": ["It knows nothing."],
        "frame": "LPS",
        "intensity": "hu",
        "labels": {
            title: {"number": number, "terminology": terminology(title)}
            for title, number in KIDNEY_AND_TUMOUR.foreground.items()
        },
        "method": {"experiment": "toy", "name": "toy", "matrix": "fine", "seed": 0},
        "folds": list(folds),
        "training": {
            "cohort": "toy",
            "format": "phantom",
            "patients": 3,
            "cases": 3,
            "ranges": {"spacing_z_mm": [2.0, 5.0], "age_years": [1.0, 9.0]},
        },
        "held_out": {
            "patients": 1,
            "cases": 1,
            "metrics": {"kidney": {"dice": summary}},
        },
        "cost": {"seconds_per_slice": 0.1, "device": "a CPU"},
        "git": {"commit": "0" * 40, "dirty": False},
        "software": {"torch": torch.__version__},
    }
    return manifest | changes


def toy_bundle(
    folder: Path,
    experiment: str = "fine_stn_crop_half",
    folds: Sequence[int] = (0, 1),
    *,
    edit: Callable[[dict, dict], object] = lambda files, manifest: None,
    **inference,
) -> Path:
    """Write a bundle, after ``edit`` has changed its files or manifest.

    Returns:
        Its path.
    """
    plans, dataset = toy_plans(folder / "config", experiment, **inference)
    files, manifest = toy_members(plans, dataset, folds), toy_manifest(folds)
    edit(files, manifest)
    write_bundle(folder / "toy.zip", manifest, files)
    return folder / "toy.zip"


def rewritten(
    bundle: Path,
    edit: Callable[[list[tuple[zipfile.ZipInfo, bytes]]], object],
) -> Path:
    """The bundle's zip again, after ``edit`` has changed its members, unchecked."""
    with zipfile.ZipFile(bundle) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    edit(members)
    with zipfile.ZipFile(bundle, "w") as archive:
        for info, content in members:
            archive.writestr(info, content)
    return bundle


def edit_manifest(members: list, **changes) -> None:
    """Change entries of the manifest among the members of a zip."""
    info, content = members[0]
    assert info.filename == "bundle.json"
    members[0] = info, json.dumps(json.loads(content) | changes).encode()
