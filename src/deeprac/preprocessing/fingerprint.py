"""Foreground intensities of a cohort, measured as nnU-Net measures them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import (
    DatasetFingerprintExtractor,
)
from numpy.typing import NDArray

SAMPLES = 10_000_000
"""Foreground voxels sampled over the whole cohort (nnU-Net: 1e8)."""


def fingerprint(cases: Iterable[tuple[NDArray, NDArray]], count: int) -> dict[str, Any]:
    """Measure the intensity properties that nnU-Net's CTNormalization uses.

    nnU-Net's own extractor starts a pool of processes; here its per-case function runs
    case by case, so memory stays bounded by one case and the samples.

    Args:
        cases: pairs of image and label map (slices, height, width).
        count: number of cases, to share the samples among them.

    Returns:
        JSON-able content of ``dataset_fingerprint.json``; the keys of the channels are
        strings, as in nnU-Net's plans.
    """
    samples = []
    for image, labels in cases:
        values, _ = DatasetFingerprintExtractor.collect_foreground_intensities(
            labels[None], image[None], num_samples=SAMPLES // count
        )
        samples.append(np.asarray(values[0], np.float32))
    pooled = np.concatenate(samples)
    low, median, high = np.percentile(pooled, (0.5, 50.0, 99.5))
    return {
        "foreground_intensity_properties_per_channel": {
            "0": {
                "mean": float(pooled.mean(dtype=np.float64)),
                "median": float(median),
                "std": float(pooled.std(dtype=np.float64)),
                "min": float(pooled.min()),
                "max": float(pooled.max()),
                "percentile_99_5": float(high),
                "percentile_00_5": float(low),
            }
        }
    }
