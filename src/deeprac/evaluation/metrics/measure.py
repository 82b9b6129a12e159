"""All metrics of one region of a case, but for the coverage of the network's input."""

import math
from dataclasses import asdict, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from deeprac.evaluation.metrics.lesions import Lesions, lesions
from deeprac.evaluation.metrics.overlap import overlap
from deeprac.evaluation.metrics.regions import Region
from deeprac.evaluation.metrics.surface import surfaces

NAN = float("nan")
TOLERANCES_MM = {"nsd_1mm": 1.0, "nsd_2mm": 2.0}


def measure(
    prediction: NDArray[np.integer],
    reference: NDArray[np.integer],
    region: Region,
    spacing_zyx_mm: tuple[float, float, float],
) -> dict[str, float]:
    """Compare two label maps on one region.

    Args:
        prediction: label map ``(z, y, x)``.
        reference: label map of the same shape.
        region: what is compared.
        spacing_zyx_mm: spacing in the order of the array's axes.

    Returns:
        Every column of ``catalogue.METRICS`` but coverage, by nnU-Net's convention for
        empty masks: both empty is NaN; exactly one empty is 0 for shares; distances are
        NaN when either is empty, percentages without reference.

    Raises:
        ValueError: The shapes differ.
    """
    found, true = cropped(region.mask(prediction), region.mask(reference))
    counts = overlap(found, true)
    # 1 ml = 1000 mm^3.
    voxel_ml, volume_ml, reference_ml = (
        math.prod(spacing_zyx_mm, start=voxels) / 1000
        for voxels in (1, counts.predicted, counts.expected)
    )
    error_ml = volume_ml - reference_ml
    error_percent = 100 * error_ml / reference_ml if reference_ml else NAN
    return {
        "dice": counts.dice,
        "precision": counts.precision,
        "recall": counts.recall,
        **_surface_metrics(found, true, region, spacing_zyx_mm),
        "volume_ml": volume_ml,
        "reference_volume_ml": reference_ml,
        "volume_error_ml": error_ml,
        "volume_error_percent": error_percent,
        "absolute_volume_error_ml": abs(error_ml),
        "absolute_volume_error_percent": abs(error_percent),
        **_lesion_metrics(found, true, region, voxel_ml),
    }


def cropped(prediction: NDArray, reference: NDArray) -> tuple[NDArray, NDArray]:
    """Cut two masks or label maps to the box around both.

    Exact for all metrics: outside the box both are background, and so is all that lies
    beyond a volume's border. Without any foreground, one background voxel remains.

    Raises:
        ValueError: The shapes differ.
    """
    if prediction.shape != reference.shape:
        raise ValueError(f"shapes differ: {prediction.shape} and {reference.shape}")
    shown = (prediction | reference) != 0
    boxes = ndimage.find_objects(shown.view(np.uint8))
    box = boxes[0] if boxes else (slice(1),) * shown.ndim
    return prediction[box], reference[box]


def _surface_metrics(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    region: Region,
    spacing_zyx_mm: tuple[float, float, float],
) -> dict[str, float]:
    tolerances = {
        **TOLERANCES_MM,
        "nsd_slice": spacing_zyx_mm[0],
        "nsd_kits": region.kits_tolerance_mm,
    }
    there = prediction.any(), reference.any()
    between = surfaces(prediction, reference, spacing_zyx_mm) if all(there) else None
    without = 0.0 if any(there) else NAN

    def nsd(tolerance_mm: float | None) -> float:
        if tolerance_mm is None:
            return NAN
        return between.nsd(tolerance_mm) if between else without

    return {
        **{name: nsd(tolerance) for name, tolerance in tolerances.items()},
        "hd95_mm": between.hd95_mm if between else NAN,
        "assd_mm": between.assd_mm if between else NAN,
    }


def _lesion_metrics(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    region: Region,
    voxel_ml: float,
) -> dict[str, float]:
    if not region.lesions:
        return {f"{field.name}_lesions": NAN for field in fields(Lesions)}
    counted = lesions(prediction, reference, voxel_ml=voxel_ml)
    return {f"{name}_lesions": count for name, count in asdict(counted).items()}
