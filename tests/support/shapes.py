"""Shapes for tests of surface distances."""

import numpy as np
from scipy import ndimage

SPACING_MM = (3.0, 0.7, 1.1)
"""z, y, x; all different, so that no two axes can be swapped unnoticed."""


def box(shape, corner, size):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = True
    return mask


def blobs(seed, shape=(11, 23, 17)):
    """Two smooth random shapes that overlap in part; both may touch the border."""
    rng = np.random.default_rng(seed)
    base = ndimage.gaussian_filter(rng.normal(size=shape), 2.5)
    other = base + 0.5 * ndimage.gaussian_filter(rng.normal(size=shape), 2.5)
    return base > np.quantile(base, 0.8), other > np.quantile(other, 0.75)
