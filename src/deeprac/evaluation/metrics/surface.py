"""Distances between the surfaces of two masks: NSD, HD95 and ASSD.

The definitions are those of DeepMind's ``surface-distance``, which KiTS23's own
evaluation uses, and so are the areas of the surface elements and the three sums over
them. The surface of a mask is a set of elements, one at each corner of the voxel grid
whose eight voxels are not all alike; its area is that of the marching-cubes triangles
there. Beyond the volume's border lies background, so a mask that touches the border has
a surface there.

Only the search for the nearest element is ours: by a k-d tree over the elements instead
of a distance transform of the volume, which costs far more time and memory. The
package's own search also calls parts of SciPy and NumPy that are being removed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import surface_distance as deepmind
from numpy.typing import NDArray
from scipy.spatial import KDTree
from surface_distance import lookup_tables

TIE_MM = 1e-6
"""Slack of a tolerance: spacings come from NIfTI as rounded 32-bit numbers."""


LEAF = 128
"""Elements in a leaf of the tree: large ones pay off where the surfaces are far apart.
"""


@dataclass(frozen=True)
class Surfaces:
    """Distances in mm from every surface element of either mask to the other surface.

    Attributes:
        distances: as of ``surface_distance.compute_surface_distances``: ascending
            distances, and the areas of their elements in the same order.
    """

    distances: dict[str, NDArray[np.float64]]

    def nsd(self, tolerance_mm: float) -> float:
        """Share of both surfaces that lies within a tolerance of the other.

        Args:
            tolerance_mm: largest distance that counts as agreement.

        Returns:
            Normalised surface Dice in 0..1, more is better.
        """
        return float(
            deepmind.compute_surface_dice_at_tolerance(
                self.distances, tolerance_mm + TIE_MM
            )
        )

    @property
    def hd95_mm(self) -> float:
        """The larger of the two directed 95th percentiles by area; less is better."""
        return float(deepmind.compute_robust_hausdorff(self.distances, 95))

    @property
    def assd_mm(self) -> float:
        """Mean distance over both surfaces by area; less is better."""
        total = weighted = 0.0
        for distances, areas in (
            ("distances_gt_to_pred", "surfel_areas_gt"),
            ("distances_pred_to_gt", "surfel_areas_pred"),
        ):
            total += self.distances[areas].sum()
            weighted += (self.distances[distances] * self.distances[areas]).sum()
        return float(weighted / total)


def surfaces(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing_zyx_mm: tuple[float, float, float],
) -> Surfaces:
    """Measure the distances between the surfaces of two masks.

    Args:
        prediction: mask ``(z, y, x)``, not empty.
        reference: mask of the same shape, not empty.
        spacing_zyx_mm: spacing in the order of the array's axes.

    Raises:
        ValueError: A mask is empty or the shapes differ.
    """
    if prediction.shape != reference.shape:
        raise ValueError(f"shapes differ: {prediction.shape} and {reference.shape}")
    if not (prediction.any() and reference.any()):
        raise ValueError("an empty mask has no surface")
    areas = lookup_tables.create_table_neighbour_code_to_surface_area(spacing_zyx_mm)
    codes = {"gt": _codes(reference), "pred": _codes(prediction)}
    elements = {name: (code != 0) & (code != 255) for name, code in codes.items()}
    points = {name: np.argwhere(where) for name, where in elements.items()}
    found: dict[str, Any] = {}
    for name, other in (("gt", "pred"), ("pred", "gt")):
        distances = _distances(
            points[name],
            points[other],
            shared=elements[other][elements[name]],
            spacing_zyx_mm=np.asarray(spacing_zyx_mm),
        )
        order = np.argsort(distances, kind="stable")
        found[f"distances_{name}_to_{other}"] = distances[order]
        found[f"surfel_areas_{name}"] = areas[codes[name][elements[name]]][order]
    return Surfaces(found)


def _codes(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Which of the eight voxels at each corner belong to the mask, as bits.

    Returns:
        ``(z + 1, y + 1, x + 1)`` codes, by which ``surface-distance`` lists areas.
    """
    padded = np.pad(mask, 1).view(np.uint8)
    codes = np.zeros([n - 1 for n in padded.shape], np.uint8)
    kernel = lookup_tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL
    for corner, bit in np.ndenumerate(kernel):
        window = tuple(
            slice(start, start + n)
            for start, n in zip(corner, codes.shape, strict=True)
        )
        codes += padded[window] * np.uint8(bit)
    return codes


def _distances(
    points: NDArray[np.int64],
    others: NDArray[np.int64],
    *,
    shared: NDArray[np.bool_],
    spacing_zyx_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Distance of each of n elements to the nearest other one.

    Args:
        points: ``(n, 3)`` corners of the grid.
        others: ``(m, 3)`` corners of the other surface.
        shared: ``(n,)`` which of the points lie on the other surface too.
        spacing_zyx_mm: ``(3,)`` step of the grid.
    """
    distances = np.zeros(len(points))
    if not shared.all():
        own = points[~shared]
        tree = KDTree(others * spacing_zyx_mm, leafsize=LEAF)
        _, nearest = tree.query(own * spacing_zyx_mm)
        # From whole steps, so that n slices are exactly n spacings apart.
        steps = (own - others[nearest]) * spacing_zyx_mm
        distances[~shared] = np.sqrt((steps**2).sum(axis=1))
    return distances
