"""Fingerprints of cohorts that nobody measured."""

CHANNEL = {
    "mean": 100.0,
    "std": 50.0,
    "percentile_00_5": -50.0,
    "percentile_99_5": 300.0,
}


def fingerprint(*cases, share=1.0):
    """Fingerprint of cases given as (spacing, shape), both (z, y, x)."""
    return {
        "spacings": [list(spacing) for spacing, _ in cases],
        "shapes_after_crop": [list(shape) for _, shape in cases],
        "foreground_intensity_properties_per_channel": {"0": CHANNEL},
        "median_relative_size_after_cropping": share,
    }
