"""Compare the predictions of one fold with the labels, case by case."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray
from tqdm import tqdm

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.evaluation.coverage import coverage, volume_coverage
from deeprac.evaluation.metrics.measure import cropped, measure
from deeprac.evaluation.metrics.regions import regions_of
from deeprac.files import read_json, write_csv
from deeprac.geometry.cube import Cube
from deeprac.labels import CohortLabels, Label
from deeprac.layout import Layout
from deeprac.records.case_split import split_column
from deeprac.records.made_with import MADE_WITH, digest_in, refuse_left_over_files
from deeprac.records.metrics import METRIC_COLUMNS, METRICS_SCHEMA
from deeprac.records.run_key import RunKey
from deeprac.records.splits import held_out_cases
from deeprac.records.tidy import shortened
from deeprac.records.transforms import (
    INPUT_COLUMNS,
    SEEN_COLUMNS,
    case_slices,
    matrices,
    read_transforms,
    volume_matrix,
)

log = logging.getLogger(__name__)

GRID_TOLERANCE = 1e-3
"""Largest difference of spacing, origin (mm) or direction that is the same grid."""


@dataclass(frozen=True)
class LabelVolume:
    """A label map ``(z, y, x)`` on its native grid."""

    voxels: NDArray[np.integer]
    spacing_xyz_mm: tuple[float, float, float]
    grid: tuple[float, ...]
    path: Path

    def __str__(self) -> str:
        size = " x ".join(str(n) for n in reversed(self.voxels.shape))
        spacing = " x ".join(f"{mm:g}" for mm in self.spacing_xyz_mm)
        origin = ", ".join(f"{mm:g}" for mm in self.grid[3:6])
        return f"{self.path} ({size}, {spacing} mm, origin {origin})"


def evaluate_run(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Compare the predictions of one fold with the labels; write metrics.csv.

    Raises:
        MetricsError: Predictions, labels, folds and transforms do not fit together.
    """
    layout = Layout.of(config)
    key = RunKey(config.cohort.name, experiment, seed, fold)
    refuse_left_over_files(config, layout, key, "transforms.csv")
    write_csv(key.folder(layout) / "metrics.csv", evaluate_fold(layout, key))


def evaluate_fold(layout: Layout, key: RunKey) -> pd.DataFrame:
    """Metrics of all cases that one run predicts: held-out ones and test cases.

    Args:
        layout: where the cohort, the folds and the predictions are.
        key: the run.

    Returns:
        One row per case and label, columns ``METRIC_COLUMNS``, ``split`` where there
        are test cases, and ``MADE_WITH``, in the order of the fold.

    Raises:
        SplitError: There is no such fold, or the cohort lacks one of its cases.
        MetricsError: Predictions, labels and transforms do not fit together.
    """
    predictions = key.folder(layout) / "predictions"
    columns = ("case", "patient", "label")
    cohort = held_out_cases(layout.cases_csv, layout.splits, key.fold, columns)
    split = split_column(cohort)
    labels = cohort_labels(layout.dataset_json)
    regions, numbers = regions_of(labels), labels.numbers.values()
    _check_predictions(predictions, list(cohort.case))
    path = key.folder(layout) / "transforms.csv"
    transforms = read_transforms(path)
    rows = []
    for case in tqdm(cohort.case, desc=f"evaluate fold {key.fold}", unit="case"):
        prediction = read_label_map(predictions / f"{case}.nii.gz", numbers)
        reference = read_label_map(layout.cohort / cohort.label[case], numbers)
        _check_same_grid(case, prediction, reference)
        slices = case_slices(transforms, case, len(reference.voxels), path)
        seen_of = _coverage_of(slices, reference)
        spacing_zyx_mm = reference.spacing_xyz_mm[::-1]
        boxed = cropped(prediction.voxels, reference.voxels)
        missed = []
        for region in regions:
            # On the whole slices, in whose frame the network's input is known.
            seen = seen_of(region.mask(reference.voxels))
            if seen < 1:
                missed.append(f"{100 * seen:.2f} % of {region.title}")
            row = {"schema": METRICS_SCHEMA, "case": case, "label": region.title}
            row |= {name: cohort[name][case] for name in ("patient", *split)}
            row["coverage"] = seen
            rows.append(row | measure(*boxed, region, spacing_zyx_mm))
        if missed:
            log.warning("%s: the network input covers %s", case, ", ".join(missed))
    table = pd.DataFrame(rows).assign(**{MADE_WITH: digest_in(transforms)})
    return key.sign(table, (*METRIC_COLUMNS, *split, MADE_WITH))


def _coverage_of(
    slices: pd.DataFrame, reference: LabelVolume
) -> Callable[[NDArray[np.bool_]], float]:
    """How much of a mask of a case the network saw, by its rows of transforms.csv."""
    # Before volumes were cropped the network saw the canonical frame.
    seen = volume_matrix(slices, SEEN_COLUMNS)
    if (volume := volume_matrix(slices) if seen is None else seen) is not None:
        cube = Cube(reference.voxels.shape, reference.spacing_xyz_mm[::-1])
        return lambda mask: volume_coverage(mask, volume, cube)
    image_from_input = dict(enumerate(matrices(slices, INPUT_COLUMNS)))
    return lambda mask: coverage(mask, image_from_input)


def cohort_labels(dataset_json: Path) -> CohortLabels:
    """The labels of a cohort.

    Raises:
        MetricsError: ``dataset.json`` is missing or lists foreign labels.
    """
    if not dataset_json.is_file():
        raise MetricsError(
            f"The cohort's labels are missing: {dataset_json}. Run `deeprac cohort`."
        )
    try:
        return CohortLabels.listed(read_json(dataset_json))
    except ValueError as error:
        raise MetricsError(
            f"{dataset_json}: {error}. Run `deeprac cohort` again."
        ) from error


def _check_predictions(folder: Path, held_out: list[str]) -> None:
    # Files of a killed prediction start with a dot (deeprac.files).
    found = {path.name.removesuffix(".nii.gz") for path in folder.glob("[!.]*.nii.gz")}
    missing = [case for case in held_out if case not in found]
    if missing:
        raise MetricsError(
            f"Every held-out case needs a prediction; {folder} lacks "
            f"{shortened(missing)}. Run `deeprac predict` for this fold."
        )
    extra = sorted(found.difference(held_out))
    if extra:
        raise MetricsError(
            f"{folder} holds predictions of cases outside this fold: "
            f"{shortened(extra)}. They would not be out of fold: remove the folder and "
            "run `deeprac predict` again."
        )


def read_label_map(path: Path, numbers: Collection[int] = tuple(Label)) -> LabelVolume:
    """Read a label map of the cohort or of a prediction.

    Args:
        path: the NIfTI file.
        numbers: the label numbers that it may hold.

    Raises:
        MetricsError: The file is missing, no NIfTI, or holds other values than labels.
    """
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = "does not exist" if not path.exists() else "cannot be read as NIfTI"
        raise MetricsError(
            f"A label map {reason}: {path}. Remove it and run the stage that writes it "
            "again (`deeprac predict` for predictions, `deeprac cohort` for labels)."
        ) from error
    voxels = sitk.GetArrayFromImage(image)
    # By hashing: sorting every voxel of a large volume takes seconds.
    foreign = sorted(set(pd.unique(voxels.ravel()).tolist()).difference(numbers))
    if foreign:
        raise MetricsError(
            f"A label map holds only {sorted(map(int, numbers))}; {path} also "
            f"holds {shortened([str(value) for value in foreign])}. Predictions: check "
            "dataset.json of the model. Labels: check cohort.labels in the config."
        )
    grid = (*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection())
    return LabelVolume(voxels, image.GetSpacing(), grid, path)


def _check_same_grid(
    case: str, prediction: LabelVolume, reference: LabelVolume
) -> None:
    if prediction.voxels.shape != reference.voxels.shape or not np.allclose(
        prediction.grid, reference.grid, rtol=0, atol=GRID_TOLERANCE
    ):
        raise MetricsError(
            f"Case {case}: prediction and label lie on different grids, "
            f"{prediction} and {reference}. Predictions must be on the "
            "cohort's native grid: run `deeprac predict` again."
        )
