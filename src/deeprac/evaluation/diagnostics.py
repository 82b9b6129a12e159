"""What the front end of one run did to every held-out case."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.evaluation.evaluate import cohort_labels, read_label_map
from deeprac.evaluation.poses import Poses, Reference, read_references, spread, wrapped
from deeprac.evaluation.volume_poses import compared_in_space, volume_references
from deeprac.files import write_csv
from deeprac.geometry import spatial
from deeprac.geometry.planar import determinant
from deeprac.labels import Label
from deeprac.layout import Layout
from deeprac.records.case_split import split_column
from deeprac.records.cases import read_cases
from deeprac.records.diagnostics import (
    DIAGNOSTIC_COLUMNS,
    LATER_COLUMNS,
    NAMES,
    VOLUME_COLUMNS,
)
from deeprac.records.made_with import MADE_WITH, digest_in, refuse_left_over_files
from deeprac.records.metrics import read_metrics
from deeprac.records.run_key import RunKey
from deeprac.records.tidy import foreground_rows
from deeprac.records.transforms import (
    CANONICAL_COLUMNS,
    CEILINGS,
    CROP_FLAGS,
    FLAGS,
    INPUT_COLUMNS,
    SEEN_COLUMNS,
    SINGLE_COLUMNS,
    case_slices,
    matrices,
    read_transforms,
    volume_matrix,
)

MISSED = 0.5
"""A crop that covers less than this share of a case's labelled voxels missed it."""


def diagnose_fold(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Diagnostics of all cases that one run predicts; write diagnostics.csv.

    A case's transform is the median of its slices' (the same one where the front end
    treats the patient as a whole), taken, like the spread, over the slices that show
    any label; over all slices where none does.

    Args:
        config: the configuration of the cohort.
        experiment: name of the experiment.
        seed: seed of the run.
        fold: number of the fold.

    Raises:
        MetricsError: A file is missing or foreign, or they do not fit together.
    """
    layout = Layout.of(config)
    key = RunKey(config.cohort.name, experiment, seed, fold)
    run, names = key.folder(layout), ("metrics.csv", "transforms.csv")
    metrics_csv, transforms_csv = (run / name for name in names)
    refuse_left_over_files(config, layout, key, *names)
    metrics = read_metrics(metrics_csv, remedy="Run `deeprac evaluate` for this fold.")
    metrics = foreground_rows(metrics)
    transforms = read_transforms(transforms_csv, more=(*SINGLE_COLUMNS, *FLAGS))
    references = read_references(layout.case_poses)
    cohort = read_cases(layout.cases_csv, ("case", "label")).to_dict("index")
    numbers = cohort_labels(layout.dataset_json).numbers.values()
    known = {layout.case_poses: references, layout.cases_csv: cohort}
    rows: list[dict[str, object]] = []
    in_space: dict[str, NDArray] = {}
    for case, labels in tqdm(metrics.groupby("case", sort=False), desc="diagnose"):
        for path in [path for path, cases in known.items() if case not in cases]:
            raise MetricsError(
                f"{metrics_csv} holds case {case}, {path} does not. The cohort changed "
                "in between: run Snakemake, or all verbs from `deeprac case_poses` on, "
                "again."
            )
        label_map = read_label_map(layout.cohort / cohort[case]["label"], numbers)
        shown = (label_map.voxels != Label.BACKGROUND).any(axis=(1, 2))
        slices = case_slices(transforms, case, len(shown), transforms_csv)
        try:
            found = _case_row(slices, shown, references[case], labels)
            if (volume := volume_matrix(slices)) is not None:
                in_space = in_space or volume_references(layout.case_poses)
                found |= compared_in_space(volume, in_space[case])
                if (seen := volume_matrix(slices, SEEN_COLUMNS)) is not None:
                    found["crop_side"] = box_side(seen, volume)
        except ValueError as error:
            raise MetricsError(
                f"{transforms_csv}, case {case}: {error}. The training diverged: see "
                "training.csv of the run."
            ) from error
        size = {"size_scale": cohort[case].get("scale", float("nan"))}
        names = labels.iloc[0][[*NAMES, *split_column(labels)]]
        rows.append({**names, **found, **size})
    columns = (*DIAGNOSTIC_COLUMNS, *LATER_COLUMNS, *VOLUME_COLUMNS * bool(in_space))
    columns = (*columns, *split_column(metrics))
    table = pd.DataFrame(rows, columns=list(columns))
    table[MADE_WITH] = digest_in(transforms)
    write_csv(run / "diagnostics.csv", table)


def _case_row(
    slices: pd.DataFrame,
    shown: NDArray[np.bool_],
    reference: Reference,
    labels: pd.DataFrame,
) -> dict[str, object]:
    """One case's diagnostics, less its names and physical size.

    Args:
        slices: rows of transforms.csv of the case, by slice.
        shown: ``(n,)`` which slices show kidney or tumour.
        reference: the case's reference.
        labels: rows of metrics.csv of the case.
    """
    used = slices[shown] if shown.any() else slices
    own = used[used.fallback == 0]
    canonical = matrices(used, CANONICAL_COLUMNS)
    scatter = spread(Poses.of(matrices(own, SINGLE_COLUMNS)))
    seen = labelled_coverage(labels)
    return {
        "slices": len(slices),
        "labelled_slices": int(shown.sum()),
        "reference": reference.kind,
        **compared(Poses.of(canonical).median(), reference.pose),
        "spread_scale": scatter.log_scale,
        "spread_angle_deg": scatter.angle_deg,
        "spread_centre": scatter.centre,
        "fallback_slices": int(slices.fallback.sum()),
        "at_bound_slices": int(slices.at_bound.sum()),
        "coverage": seen,
        "missed": pd.NA if np.isnan(seen) else int(seen < MISSED),
        "crop_side": crop_side(matrices(used, INPUT_COLUMNS), canonical),
        # Transforms of earlier versions do not say.
        **{flag: int(slices[flag].any()) for flag in CROP_FLAGS if flag in slices},
        **{name: slices[name].iloc[0] for name in CEILINGS if name in slices},
    }


def compared(predicted: Poses, reference: Poses) -> dict[str, float]:
    """How far one predicted pose lies from the reference.

    Args:
        predicted: one pose ``image_from_canonical``.
        reference: one pose of the same frames.

    Returns:
        Absolute errors, signed differences and the reference itself; positions as
        shares of the square's width, angles in degrees.
    """
    ratio = float(np.exp(predicted.log_scale[0] - reference.log_scale[0]))
    turn = float(np.degrees(wrapped(predicted.angle_rad[0] - reference.angle_rad[0])))
    shift_x, shift_y = (predicted.centre[0] - reference.centre[0]) / 2
    return {
        "scale_error": abs(ratio - 1),
        "angle_error_deg": abs(turn),
        "centre_error": float(np.hypot(shift_x, shift_y)),
        "scale_ratio": ratio,
        "angle_difference_deg": turn,
        "shift_x": float(shift_x),
        "shift_y": float(shift_y),
        "body_scale": float(np.exp(reference.log_scale[0])),
        "reference_angle_deg": float(np.degrees(reference.angle_rad[0])),
        "reference_x": float(reference.centre[0, 0] / 2),
        "reference_y": float(reference.centre[0, 1] / 2),
    }


def labelled_coverage(labels: pd.DataFrame) -> float:
    """Share of all labelled voxels inside the network's input, of one case.

    Args:
        labels: rows of metrics.csv, one for kidney and one for tumour.

    Returns:
        Mean coverage weighted by volume; NaN of a case without labelled voxels.
    """
    volume = labels.reference_volume_ml
    if not volume.sum() > 0:
        return float("nan")
    return float((labels.coverage.fillna(0) * volume).sum() / volume.sum())


def box_side(volume_from_input: NDArray, volume_from_canonical: NDArray) -> float:
    """Side of the cube as large as the network's input, as ``crop_side`` has it.

    Args:
        volume_from_input: ``(3, 4)`` of a volume.
        volume_from_canonical: ``(3, 4)``.
    """
    inner, outer = (
        np.abs(spatial.determinant(transform))
        for transform in (volume_from_input, volume_from_canonical)
    )
    return float(np.cbrt(inner / outer))


def crop_side(image_from_input: NDArray, image_from_canonical: NDArray) -> float:
    """Side of the network's input as a share of the canonical frame's.

    Of a window that is no square, the side of the square of the same area.

    Args:
        image_from_input: ``(n, 2, 3)`` transforms of n slices.
        image_from_canonical: ``(n, 2, 3)`` of the same slices.

    Returns:
        Median over the slices; 1 without crop.
    """
    inner, outer = (
        np.abs(determinant(transform))
        for transform in (image_from_input, image_from_canonical)
    )
    return float(np.median(np.sqrt(inner / outer)))
