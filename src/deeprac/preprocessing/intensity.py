"""nnU-Net's CT normalisation, for what works on slices before they are preprocessed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def normalised(image: NDArray, fingerprint: dict[str, Any]) -> NDArray[np.float32]:
    """Clip to the foreground's 0.5 and 99.5 percentiles, then standardise.

    Args:
        image: any shape, in the cohort's unit.
        fingerprint: content of ``dataset_fingerprint.json``.

    Returns:
        float32 of the same shape, as nnU-Net's CTNormalization gives it.
    """
    channel = fingerprint["foreground_intensity_properties_per_channel"]["0"]
    clipped = np.clip(
        image.astype(np.float32), channel["percentile_00_5"], channel["percentile_99_5"]
    )
    return (clipped - channel["mean"]) / max(channel["std"], 1e-8)


def normalised_air(fingerprint: dict[str, Any], air: float) -> float:
    """Value of air after normalisation.

    Args:
        fingerprint: content of ``dataset_fingerprint.json``.
        air: value of air in the cohort's unit.
    """
    return float(normalised(np.array(air), fingerprint))
