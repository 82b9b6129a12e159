"""Foreground intensities, spacings and sizes of a cohort, as nnU-Net measures them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import (
    DatasetFingerprintExtractor,
)
from numpy.typing import NDArray

SAMPLES = 10_000_000
"""Foreground voxels sampled over the whole cohort (nnU-Net: 1e8)."""


def fingerprint(
    cases: Iterable[tuple[NDArray, NDArray, Sequence[float]]], count: int
) -> dict[str, Any]:
    """Measure what nnU-Net's CTNormalization and experiment planner use.

    nnU-Net's own extractor starts a pool of processes; here its per-case function runs
    case by case, so memory stays bounded by one case and the samples.

    Args:
        cases: image and label map (slices, height, width), and the spacing (z, y, x)
            in millimetres.
        count: number of cases, to share the samples among them.

    Returns:
        JSON-able content of ``dataset_fingerprint.json``; the keys of the channels are
        strings, as in nnU-Net's plans. Spacings and shapes are (z, y, x), one entry
        per case in the order of the cases.
    """
    samples, spacings, shapes, shares = [], [], [], []
    for image, labels, spacing in cases:
        values, _ = DatasetFingerprintExtractor.collect_foreground_intensities(
            labels[None], image[None], num_samples=SAMPLES // count
        )
        samples.append(np.asarray(values[0], np.float32))
        spacings.append([float(mm) for mm in spacing])
        shapes.append(_shape_after_crop(image))
        shares.append(np.prod(shapes[-1]) / np.prod(image.shape))
    return {
        "spacings": spacings,
        "shapes_after_crop": shapes,
        "foreground_intensity_properties_per_channel": {
            "0": _intensities(np.concatenate(samples))
        },
        "median_relative_size_after_cropping": float(np.median(shares)),
    }


def _intensities(pooled: NDArray[np.float32]) -> dict[str, float]:
    low, median, high = np.percentile(pooled, (0.5, 50.0, 99.5))
    return {
        "mean": float(pooled.mean(dtype=np.float64)),
        "median": float(median),
        "std": float(pooled.std(dtype=np.float64)),
        "min": float(pooled.min()),
        "max": float(pooled.max()),
        "percentile_99_5": float(high),
        "percentile_00_5": float(low),
    }


def _shape_after_crop(image: NDArray) -> list[int]:
    """Shape (z, y, x) of the box around all values but 0, as nnU-Net crops.

    nnU-Net fills holes first, for minutes on large volumes; that moves no edge of the
    box. A case of zeros alone stays whole, as in nnU-Net.
    """
    filled = image != 0
    if not filled.any():
        return list(image.shape)
    edges = [
        np.flatnonzero(filled.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)
    ]
    return [int(edge[-1] - edge[0] + 1) for edge in edges]
