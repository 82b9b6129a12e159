"""What the front end of one run did to every held-out case."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.evaluation.poses import Poses, spread, wrapped
from deeprac.evaluation.references import Reference, read_references
from deeprac.geometry.planar import determinant
from deeprac.labels import Label
from deeprac.layout import Layout
from deeprac.records.diagnostics import DIAGNOSTIC_COLUMNS
from deeprac.records.metrics import read_metrics
from deeprac.records.run_key import selected_runs
from deeprac.records.tidy import foreground_rows, read_tidy
from deeprac.records.transforms import (
    CANONICAL_COLUMNS,
    INPUT_COLUMNS,
    SINGLE_COLUMNS,
    read_transforms,
)

FLAGS = ("fallback", "at_bound")
MISSED = 0.5
"""A crop that covers less than this share of a case's labelled voxels missed it."""


@dataclass(frozen=True)
class DiagnosedFiles:
    """The declared files that the diagnostics of one fold read."""

    cases_csv: Path
    cohort: Path
    case_poses: Path
    metrics: Path
    transforms: Path


def diagnose_fold(files: DiagnosedFiles) -> pd.DataFrame:
    """Diagnostics of all held-out cases of one fold.

    A case's transform is the median of its slices' (the same one where the front end
    treats the patient as a whole), taken, like the spread, over the slices that show
    any label; over all slices where none does.

    Args:
        files: Where the cohort, the case poses and the run's tables are.

    Returns:
        One row per case, columns ``DIAGNOSTIC_COLUMNS``.

    Raises:
        MetricsError: A file is missing or foreign, or they do not fit together.
    """
    metrics = read_metrics(
        files.metrics, remedy="Run `deeprac evaluate` for this fold."
    )
    metrics = foreground_rows(metrics)
    transforms = read_transforms(files.transforms, more=(*SINGLE_COLUMNS, *FLAGS))
    references = read_references(files.case_poses)
    cohort = _cohort(files.cases_csv)
    rows = []
    for case, labels in tqdm(metrics.groupby("case", sort=False), desc="diagnose"):
        for path, known in ((files.case_poses, references), (files.cases_csv, cohort)):
            if case not in known:
                raise MetricsError(
                    f"{files.metrics} holds case {case}, {path} does not. The cohort "
                    "changed in between: run Snakemake, or all verbs from `deeprac "
                    "case_poses` on, again."
                )
        shown = _labelled(files.cohort, cohort[case]["label"])
        slices = _slices_of(transforms, case, len(shown), files.transforms)
        try:
            found = _case_row(slices, shown, references[case], labels)
        except ValueError as error:
            raise MetricsError(
                f"{files.transforms}, case {case}: {error}. The training diverged: "
                "see training.csv of the run."
            ) from error
        identity = labels.iloc[0][[*DIAGNOSTIC_COLUMNS[:6]]]
        size = {"size_scale": cohort[case].get("scale", float("nan"))}
        rows.append({**identity, **found, **size})
    return pd.DataFrame(rows, columns=list(DIAGNOSTIC_COLUMNS))


def collect_diagnostics(config: Config, layout: Layout) -> pd.DataFrame:
    """Read the diagnostics of all selected runs.

    Returns:
        One row per run and case, columns ``DIAGNOSTIC_COLUMNS``.

    Raises:
        MetricsError: The table of a run is missing, lacks a column or is another run's.
    """
    tables = []
    for key in selected_runs(config):
        path = key.folder(layout) / "diagnostics.csv"
        remedy = key.again("diagnose")
        table = read_tidy(path, DIAGNOSTIC_COLUMNS, remedy=remedy)
        key.check_table(table, path, remedy=remedy)
        tables.append(table[list(DIAGNOSTIC_COLUMNS)])
    return pd.concat(tables, ignore_index=True)


def _case_row(
    slices: pd.DataFrame,
    shown: NDArray[np.bool_],
    reference: Reference,
    labels: pd.DataFrame,
) -> dict[str, object]:
    """One case's diagnostics, less its names and physical size.

    Args:
        slices: Rows of transforms.csv of the case, by slice.
        shown: ``(n,)`` which slices show kidney or tumour.
        reference: The case's reference.
        labels: Rows of metrics.csv of the case.
    """
    used = slices[shown] if shown.any() else slices
    own = used[used.fallback == 0]
    scatter = spread(Poses.of(_matrices(own, SINGLE_COLUMNS)))
    seen = labelled_coverage(labels)
    return {
        "slices": len(slices),
        "labelled_slices": int(shown.sum()),
        "reference": reference.kind,
        **compared(
            Poses.of(_matrices(used, CANONICAL_COLUMNS)).median(), reference.pose
        ),
        "spread_scale": scatter.log_scale,
        "spread_angle_deg": scatter.angle_deg,
        "spread_centre": scatter.centre,
        "fallback_slices": int(slices.fallback.sum()),
        "at_bound_slices": int(slices.at_bound.sum()),
        "coverage": seen,
        "missed": pd.NA if np.isnan(seen) else int(seen < MISSED),
        "crop_side": crop_side(
            _matrices(used, INPUT_COLUMNS), _matrices(used, CANONICAL_COLUMNS)
        ),
    }


def compared(predicted: Poses, reference: Poses) -> dict[str, float]:
    """How far one predicted pose lies from the reference.

    Args:
        predicted: One pose ``image_from_canonical``.
        reference: One pose of the same frames.

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
        labels: Rows of metrics.csv, one for kidney and one for tumour.

    Returns:
        Mean coverage weighted by volume; NaN of a case without labelled voxels.
    """
    volume = labels.reference_volume_ml
    if not volume.sum() > 0:
        return float("nan")
    return float((labels.coverage.fillna(0) * volume).sum() / volume.sum())


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
        np.abs(determinant(matrices))
        for matrices in (image_from_input, image_from_canonical)
    )
    return float(np.median(np.sqrt(inner / outer)))


def _cohort(cases_csv: Path) -> dict[str, dict[str, object]]:
    table = read_tidy(cases_csv, ("case", "label"), remedy="Run `deeprac cohort`.")
    return table.set_index("case").to_dict("index")


def _labelled(cohort: Path, label: str) -> NDArray[np.bool_]:
    """Which axial slices ``(z,)`` of a case show any label."""
    # Readers of the diagnostics' table need no image library.
    from deeprac.evaluation.evaluate import (  # noqa: PLC0415
        cohort_labels,
        read_label_map,
    )

    numbers = cohort_labels(cohort / "dataset.json").numbers.values()
    shown = read_label_map(cohort / label, numbers).voxels != Label.BACKGROUND
    return shown.any(axis=(1, 2))


def _slices_of(
    transforms: pd.DataFrame, case: str, count: int, path: Path
) -> pd.DataFrame:
    slices = transforms[transforms.case == case].sort_values("slice")
    if list(slices.slice) != list(range(count)):
        raise MetricsError(
            f"Case {case} has {count} slices, {path} has transforms for {len(slices)}. "
            "Run `deeprac predict` again for this fold."
        )
    return slices


def _matrices(slices: pd.DataFrame, columns: tuple[str, ...]) -> NDArray:
    return slices[list(columns)].to_numpy(float).reshape(-1, 2, 3)
