"""Closed surfaces of all structures, smooth, and with the volume of their voxels.

Convention: points are LPS millimetres of the source, a tilt included; triangles are
turned outwards.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deeprac.surgery.anatomy import Anatomy, Structure
from deeprac.surgery.manifold import Points, Quads, sheets
from deeprac.surgery.surface_nets import SurfaceNets, surface_nets, triangles_of

Triangles = NDArray[np.int64]

ROUNDS, EXACT = 8, 1e-5
"""Steps towards the voxels' volumes at most, and what is left of them at last."""

APART = 0.01
"""How far copies of a point move towards the middle of their quads, as a share of the
way: far enough to stay two where a file knows points by their place only."""


@dataclass(frozen=True)
class Surface:
    """The surface of one structure.

    Attributes:
        structure: which.
        points_mm: [n, 3] LPS.
        triangles: [m, 3] indices of points, turned outwards.
        voxel_ml: volume of the structure's voxels.
    """

    structure: Structure
    points_mm: NDArray[np.float64]
    triangles: NDArray[np.int64]
    voxel_ml: float

    @property
    def volume_ml(self) -> float:
        """Volume that the surface encloses."""
        return float(_cones_mm3(self.points_mm, self.triangles).sum()) / 1000


def surfaces(anatomy: Anatomy) -> tuple[Surface, ...]:
    """The surfaces of all structures, by number.

    Neighbours share their boundary, without gap or overlap but for a few hundredths of
    a millimetre at edges along which a structure touches itself.
    """
    if not anatomy.structures:
        return ()
    nets = surface_nets(anatomy.numbers, anatomy.spacing_mm)
    points_mm = _with_volumes(nets, anatomy)
    axes, origin_mm = anatomy.grid.axes, np.array(anatomy.grid.origin_mm)
    made = []
    for structure in anatomy.structures:
        first, second = (nets.sides == structure.number).T
        # Seen from the other side, with the same diagonal.
        quads = np.concatenate([nets.quads[first], nets.quads[second][:, [0, 3, 2, 1]]])
        new = sheets(nets.corners_mm, quads)
        own_mm = _apart(points_mm, quads, new) @ axes.T + origin_mm
        voxel_ml = anatomy.volume_ml(structure)
        made.append(Surface(structure, own_mm, triangles_of(new), voxel_ml))
    return tuple(made)


def _apart(points_mm: Points, quads: Quads, new: Quads) -> Points:
    """The points of quads with new numbers; copies of one point lie a little apart."""
    old, own = quads.ravel(), new.ravel()
    _, first = np.unique(own, return_index=True)
    uses = np.bincount(own)
    copied = uses < np.bincount(old)[old[first]]
    made = points_mm[old[first]]
    middles = np.repeat(points_mm[quads].mean(axis=1), 4, axis=0)
    means = np.stack([np.bincount(own, axis) for axis in middles.T], axis=1)
    made[copied] += APART * (means / uses[:, np.newaxis] - made)[copied]
    return made


def _with_volumes(nets: SurfaceNets, anatomy: Anatomy) -> Points:
    """Move the smoothed points so that every structure has the volume of its voxels.

    Smoothing takes from what is convex. A pressure inside each structure gives it back,
    as soap bubbles hold theirs: where two structures meet, the difference of theirs
    moves what they share. Newton's method finds the pressures. No point goes further
    than a voxel from where it was before it was smoothed.
    """
    triangles, sides = triangles_of(nets.quads), np.repeat(nets.sides, 2, axis=0)
    numbers = [one.number for one in anatomy.structures]
    wanted = np.array([anatomy.volume_ml(one) * 1000 for one in anatomy.structures])
    reach = np.array(anatomy.grid.spacing_xyz_mm)
    low, high = nets.corners_mm - reach, nets.corners_mm + reach
    points_mm = nets.points_mm.copy()
    # What smoothing takes most of, such as single voxels, stays as it was.
    few = np.array(numbers)[
        _enclosed(points_mm, triangles, sides)[numbers] < wanted / 2
    ]
    kept = nets.quads[np.isin(nets.sides, few).any(axis=1)]
    points_mm[kept] = nets.corners_mm[kept]
    for _ in range(ROUNDS):
        missing = wanted - _enclosed(points_mm, triangles, sides)[numbers]
        if np.all(np.abs(missing) < EXACT * wanted):
            break
        slopes = _slopes(points_mm, triangles, sides)[numbers]
        areas = np.linalg.norm(_normals_mm2(points_mm, triangles), axis=1)
        shares = np.bincount(triangles.ravel(), np.repeat(areas / 3, 3))
        moves = slopes / np.repeat(np.maximum(shares, np.finfo(float).tiny), 3)
        pressures = np.linalg.solve((slopes @ moves.T).toarray(), missing)
        moved = points_mm + (moves.T @ pressures).reshape(-1, 3)
        points_mm = np.clip(moved, low, high)
    return points_mm


def _enclosed(
    points_mm: Points, triangles: Triangles, sides: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """The volume inside the boundaries of each number, [256] in mm3."""
    cones = _cones_mm3(points_mm, triangles)
    first, second = (np.bincount(side, cones, minlength=256) for side in sides.T)
    return (first - second).astype(float)


def _slopes(
    points_mm: Points, triangles: Triangles, sides: NDArray[np.uint8]
) -> csr_array:
    """How the volume of each number grows with each coordinate, [256, 3 n] in mm2."""
    # Each corner of a triangle carries a third of its area.
    pull = np.repeat(_normals_mm2(points_mm, triangles) / 3, 3, axis=0).ravel()
    columns = (3 * triangles.ravel()[:, np.newaxis] + np.arange(3)).ravel()
    rows = [np.repeat(side, 9) for side in sides.T]
    return csr_array(
        (np.concatenate([pull, -pull]), (np.concatenate(rows), np.tile(columns, 2))),
        shape=(256, points_mm.size),
    )


def _normals_mm2(points_mm: Points, triangles: Triangles) -> Points:
    """Outward normals as long as the areas of the triangles, [m, 3]."""
    a, b, c = (points_mm[corner] for corner in triangles.T)
    return np.cross(b - a, c - a) / 2


def _cones_mm3(points_mm: Points, triangles: Triangles) -> Points:
    """Signed volumes between the triangles and the middle of the points, [m]."""
    centred = points_mm - points_mm.mean(axis=0)
    a, b, c = (centred[corner] for corner in triangles.T)
    return np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
