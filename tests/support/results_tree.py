"""A small tree of results, as the workflow leaves it before `deeprac evaluate`.

Slices of ellipses stand for the abdomen: a body with spine, two kidneys and a tumour
on the left of the patient, placed by a known similarity, so that the transforms of an
STN can be written exactly. Predictions are the labels shifted by a few pixels.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from deeprac.cohort.build import dataset_json
from deeprac.config import Config, load_config
from deeprac.files import write_json
from deeprac.geometry.planar import invert, transform_points
from deeprac.geometry.square import Square
from deeprac.layout import Layout
from deeprac.records.case_poses import CASE_POSE_COLUMNS, TRUTH_COLUMNS
from deeprac.records.transforms import CANONICAL_COLUMNS, INPUT_COLUMNS, SINGLE_COLUMNS
from deeprac.settings.methods import PLANNED

REPO = Path(__file__).parents[2]
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
CROP = np.array([[0.55, 0, 0.05], [0, 0.55, -0.05]])
"""canonical_from_input of every crop: slightly right of and above the centre."""
PLANNED_PATCH = [384, 320]
"""Patch (height, width) that stands for nnU-Net's plan of a planned matrix."""
CASE_POSE_FROM_TRUE = np.array([[0.0, -0.5, 0.1], [0.5, 0.0, -0.2]])
"""The phantom's frame lies a quarter turn from the targets', at half the size."""


@dataclass(frozen=True)
class TreeOptions:
    """What the tree holds."""

    experiments: tuple[str, ...] = ("coarse_nnunet", "coarse_stn", "fine_stn_crop")
    patients: int = 4
    folds: int = 2
    folds_run: tuple[int, ...] = (0, 1)
    seeds: tuple[int, ...] = (0,)
    size: tuple[int, int] = (40, 48)
    slices: int = 3
    spacing_mm: tuple[float, float, float] = (8.0, 7.0, 5.0)
    epochs: int = 3
    truth: bool = False
    settings: dict = field(default_factory=dict)
    case: str = "case{0:03d}"
    patient: str = "patient{0:03d}"


def write_tree(folder: Path, options: TreeOptions | None = None) -> Path:
    """Write cohort, folds and runs below ``folder``; return the path of the config."""
    options = options or TreeOptions()
    config_path = folder / "config.json"
    write_json(config_path, _config_content(folder, options))
    config = load_config([config_path])
    layout = Layout.of(config)
    poses = {options.case.format(i): _pose(i) for i in range(options.patients)}
    labels = {case: _write_case(layout, case, p, options) for case, p in poses.items()}
    _write_cohort_table(layout, poses, options)
    write_json(
        layout.dataset_json, dataset_json(config.cohort.kept_labels, options.patients)
    )
    _write_case_poses(layout, poses, truth=options.truth)
    cases = list(poses)
    folds = [cases[i :: options.folds] for i in range(options.folds)]
    write_json(
        layout.splits,
        [{"train": sorted(set(cases) - set(v)), "val": v} for v in folds],
    )
    for experiment in options.experiments:
        for seed in options.seeds:
            for fold in options.folds_run:
                run = layout.run(experiment, seed, fold)
                _write_run(config, run, (experiment, seed, fold), options)
                _write_inference(run / "inference.csv", folds[fold], fold=fold)
                _write_predictions(
                    run / "predictions",
                    {case: labels[case] for case in folds[fold]},
                    shift_px=1 + options.experiments.index(experiment) % 3,
                )
                _write_transforms(
                    config, run, experiment, {case: poses[case] for case in folds[fold]}
                )
    return config_path


def _config_content(folder: Path, options: TreeOptions) -> dict:
    patients = {"format": "nnunet_raw", "path": str(folder)}
    return {
        "results": str(folder),
        "cohort": {"name": "tree"} | ({} if options.truth else patients),
        "splits": {"folds": options.folds},
        "methods": str(REPO / "config" / "methods.yaml"),
        "experiments": str(REPO / "config" / "experiments.tsv"),
        "run": {
            "experiments": list(options.experiments),
            "folds": list(options.folds_run),
            "seeds": list(options.seeds),
        },
        **options.settings,
    }


def _pose(index: int) -> np.ndarray:
    """image_from_canonical of a patient: scale, rotation and shift."""
    rng = np.random.default_rng(index)
    scale, angle = rng.uniform(0.65, 1.0), rng.uniform(-0.4, 0.4)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    shift = rng.uniform(-0.1, 0.1, 2)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


def _write_case(
    layout: Layout, case: str, pose: np.ndarray, options: TreeOptions
) -> sitk.Image:
    (height, width), rng = options.size, np.random.default_rng(len(case))
    y, x = np.mgrid[:height, :width]
    points = Square(*options.size).from_px(np.stack([x, y], axis=-1))
    points = transform_points(invert(pose), points)
    image = np.empty((options.slices, height, width), np.int16)
    label = np.zeros((options.slices, height, width), np.uint8)
    for z in range(options.slices):
        height_factor = np.sqrt(1 - ((z + 0.5) / options.slices - 0.5) ** 2 * 3)
        image[z], label[z] = _anatomy(points, height_factor)
        image[z] += rng.normal(0, 15, (height, width)).astype(np.int16)
    folder = layout.cohort
    volume = _to_image(image, options.spacing_mm)
    label_map = _to_image(label, options.spacing_mm)
    for kind, name, content in (
        ("imagesTr", f"{case}_0000", volume),
        ("labelsTr", case, label_map),
    ):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(content, str(folder / kind / f"{name}.nii.gz"))
    return label_map


def _anatomy(points: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    image = np.full(points.shape[:2], -1000, np.int16)
    label = np.zeros(points.shape[:2], np.uint8)
    image[_ellipse(points, (0, 0), (0.85, 0.6))] = -90
    image[_ellipse(points, (0, 0), (0.78, 0.53))] = 45
    image[_ellipse(points, (-0.35, -0.15), (0.36, 0.3))] = 90
    image[_ellipse(points, (0, 0.35), (0.12, 0.12))] = 400
    for side in (-1, 1):
        kidney = _ellipse(points, (0.38 * side, 0.22), (0.15 * factor, 0.19 * factor))
        image[kidney], label[kidney] = 170, 1
    tumour = _ellipse(points, (0.45, 0.0), (0.2 * factor, 0.22 * factor))
    image[tumour], label[tumour] = 75, 2
    return image, label


def _ellipse(points: np.ndarray, centre, radii) -> np.ndarray:
    return (((points - centre) / radii) ** 2).sum(-1) <= 1


def _to_image(array: np.ndarray, spacing_mm) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing_mm)
    image.SetOrigin((-10.0, 20.0, 30.0))
    return image


def _write_cohort_table(layout: Layout, poses: dict, options: TreeOptions) -> None:
    (height, width), spacing = options.size, options.spacing_mm
    rows = [
        {
            "case": case,
            "patient": options.patient.format(i),
            "image": f"imagesTr/{case}_0000.nii.gz",
            "label": f"labelsTr/{case}.nii.gz",
            "size_x": width,
            "size_y": height,
            "size_z": options.slices,
            "spacing_x_mm": spacing[0],
            "spacing_y_mm": spacing[1],
            "spacing_z_mm": spacing[2],
        }
        for i, case in enumerate(poses)
    ]
    pd.DataFrame(rows).to_csv(layout.cases_csv, index=False)


def _write_case_poses(
    layout: Layout, poses: dict[str, np.ndarray], *, truth: bool
) -> None:
    rows = []
    for case, pose in poses.items():
        true = _compose(pose, CASE_POSE_FROM_TRUE) if truth else np.full((2, 3), np.nan)
        row = {"case": case}
        row |= dict(zip(CASE_POSE_COLUMNS, pose.ravel(), strict=True))
        row |= dict(zip(TRUTH_COLUMNS, true.ravel(), strict=True))
        for i, angle in enumerate(np.linspace(0, 2 * np.pi, 16, endpoint=False)):
            point = 0.5 * np.array([np.cos(angle), np.sin(angle)])
            row[f"x{i}"], row[f"y{i}"] = transform_points(pose, point)
        rows.append(row)
    pd.DataFrame(rows).to_csv(layout.case_poses, index=False)


def _write_predictions(folder: Path, labels: dict, *, shift_px: int) -> None:
    folder.mkdir(parents=True)
    for index, (case, label_map) in enumerate(labels.items()):
        array = sitk.GetArrayFromImage(label_map)
        moved = np.roll(array, (shift_px, index), axis=(2, 1))
        prediction = sitk.GetImageFromArray(moved)
        prediction.CopyInformation(label_map)
        sitk.WriteImage(prediction, str(folder / f"{case}.nii.gz"))


def _write_transforms(
    config: Config, run: Path, experiment: str, poses: dict[str, np.ndarray]
) -> None:
    method = config.methods[config.experiments[experiment].method]
    rows = []
    for case, pose in poses.items():
        canonical = IDENTITY if method.normaliser == "none" else pose
        matrix = canonical if method.crop == "none" else _compose(canonical, CROP)
        label = run.parents[2] / "cohort" / "labelsTr" / f"{case}.nii.gz"
        normalises = method.normaliser != "none"
        for z in range(sitk.ReadImage(str(label)).GetDepth()):
            wobble = 1 + 0.02 * z * normalises
            single = canonical * [wobble, wobble, 1]
            rows.append(
                {
                    "case": case,
                    "slice": z,
                    **dict(zip(INPUT_COLUMNS, matrix.ravel(), strict=True)),
                    **dict(zip(CANONICAL_COLUMNS, canonical.ravel(), strict=True)),
                    **dict(zip(SINGLE_COLUMNS, single.ravel(), strict=True)),
                    "fallback": int(normalises and z == 0),
                    "at_bound": int(method.normaliser == "stn" and z == 1),
                    "crop_grown": 0,
                    "crop_fallback": 0,
                }
            )
    pd.DataFrame(rows).to_csv(run / "transforms.csv", index=False)


def _compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    square = [np.vstack([matrix, [0, 0, 1]]) for matrix in (outer, inner)]
    return (square[0] @ square[1])[:2]


def _write_run(
    config: Config, folder: Path, key: tuple[str, int, int], options: TreeOptions
) -> None:
    experiment, seed, fold = key
    row = config.experiments[experiment]
    method, matrix = config.methods[row.method], config.matrices[row.matrix]
    cost = 1 + 0.5 * method.augment + 0.15 * (method.normaliser != "none")
    planned = matrix.size == PLANNED
    size = PLANNED_PATCH if planned else matrix.size
    seen = PLANNED_PATCH if planned else round(size * method.network_input)
    cost *= method.network_input**2 * (np.max(size) / 128) ** 2
    write_json(
        folder / "run.json",
        {
            "schema": 1,
            "cohort": config.cohort.name,
            "experiment": experiment,
            "method": row.method,
            "matrix": row.matrix,
            "seed": seed,
            "fold": fold,
            "device": {"type": "cpu", "name": "cpu"},
            "host": {"processor": "a CPU", "platform": "Linux-6.1"},
            "software": {"python": "3.11"},
            "git": {"commit": None, "dirty": None},
            "config_sha256": "0" * 64,
            "settings": {
                "epochs": options.epochs,
                "iterations_per_epoch": 10,
                "batch_size": matrix.batch_size,
                "matrix_size": size,
                "network_input_size": seen,
                "optimiser": "sgd",
                "learning_rate": 0.01,
                "augment": method.augment,
                "training_patients": options.patients // 2,
            },
            "segments": [_segment(config, key)],
            "cost": {
                "training_seconds": 100.0 * cost + 10 * fold,
                "epoch_seconds_median": 30.0 * cost,
                "data_wait_share": 0.1,
                "gpu_peak_allocated_gib": None,
                "gpu_peak_reserved_gib": None,
                "host_peak_gib": 1.0 + 0.25 * cost,
                "step_flops": int(2e12 * cost),
                "step_saved_bytes": int(2**30 * cost),
                "parameters": 1000,
            },
        },
    )
    learned = "stn" in method.normaliser
    gradient = 2.0 / np.arange(1, options.epochs + 1) if learned else None
    _write_training(folder / "training.csv", options.epochs, key, gradient)


def _write_inference(path: Path, cases: list[str], *, fold: int) -> None:
    """Seconds of a case: 1, 2, 3 ... in the first fold, one more in the next."""
    costs = {"case": cases, "slices": 3, "seconds": np.arange(len(cases)) + 1.0 + fold}
    pd.DataFrame(costs).assign(gpu_peak_gib=np.nan).to_csv(path, index=False)


def _segment(config: Config, key: tuple[str, int, int]) -> dict[str, object]:
    """An hour of its own for every run."""
    experiment, seed, fold = key
    hour = 100 * config.run.experiments.index(experiment) + 10 * seed + fold
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    times = {"start": start, "stop": start + timedelta(hours=1)}
    return {end: time.isoformat() for end, time in times.items()} | {
        "first_epoch": 0,
        "last_epoch": 2,
    }


def _write_training(
    path: Path,
    epochs: int,
    key: tuple[str, int, int],
    localiser_gradient: np.ndarray | None,
) -> None:
    rng = np.random.default_rng([len(key[0]), *key[1:]])
    epoch = np.arange(epochs)
    progress = 1 - np.exp(-3 * (epoch + 1) / epochs)
    noise = rng.normal(0, 0.02, (4, epochs))
    pd.DataFrame(
        {
            "epoch": epoch,
            "learning_rate": 0.01 * (1 - epoch / epochs) ** 0.9,
            "train_loss": 1 - 1.7 * progress + noise[0],
            "val_loss": 1 - 1.6 * progress + noise[1],
            "val_dice_kidney": (0.9 * progress + noise[2]).clip(0, 1),
            "val_dice_tumour": (0.75 * progress + 2 * noise[3]).clip(0, 1),
            "seconds": 2.0,
            "data_wait_seconds": 0.1,
            "segment": 0,
            "localiser_gradient": localiser_gradient,
        }
    ).to_csv(path, index=False)


def read_run(config_path: Path, experiment: str, *, fold: int = 0) -> dict:
    """Content of a run.json, for tests that change it."""
    layout = Layout.of(load_config([config_path]))
    return json.loads((layout.run(experiment, 0, fold) / "run.json").read_text())
