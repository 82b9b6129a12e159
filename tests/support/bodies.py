"""Bodies of known size on anisotropic grids, off the middle, for measures."""

import numpy as np


def ball(shape, spacing_mm, centre_mm, radius_mm):
    """Voxels [z, y, x] whose centres lie in a ball or ellipsoid.

    ``centre_mm`` is counted from the centre of the first voxel; ``radius_mm`` is one
    number or one per axis, (z, y, x).
    """
    radii = np.broadcast_to(radius_mm, 3)
    steps = np.ogrid[tuple(slice(0, n) for n in shape)]
    scaled = (
        (step * mm - centre) / radius
        for step, mm, centre, radius in zip(
            steps, spacing_mm, centre_mm, radii, strict=True
        )
    )
    return sum(along**2 for along in scaled) <= 1


def beside(radius_mm, spacing_mm, offset):
    """A ball of tumour, 2, half sunk into a block of kidney, 1, off by parts of voxels.

    They touch on a hemisphere of ``2 pi r^2``.
    """
    centre, steps = [], []
    for mm, part in zip(spacing_mm, offset, strict=True):
        n = int(np.ceil(2 * (radius_mm + 12) / mm)) + 2
        centre.append((n / 2 + part) * mm)
        steps.append(n)
    places = np.ogrid[tuple(slice(0, n) for n in steps)]
    z, y, x = (
        step * mm - middle
        for step, mm, middle in zip(places, spacing_mm, centre, strict=True)
    )
    reach = radius_mm + 8
    kidney = (abs(z) < reach) & (abs(y) < reach) & (x < 0) & (x > -reach)
    tumour = ball(steps, spacing_mm, centre, radius_mm)
    return np.where(tumour, 2, kidney).astype(np.uint8)
