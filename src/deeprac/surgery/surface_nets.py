"""The smoothed boundaries that structures share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkFiltersCore import vtkSurfaceNets3D

ITERATIONS = 20
"""Steps of smoothing. Points stay within half a voxel of where they were along every
axis, so that steps between slices vanish and thin parts do not."""


@dataclass(frozen=True)
class SurfaceNets:
    """All boundaries between structures, and between them and the rest, each once.

    Points are millimetres (x, y, z) along the array's axes from the centre of its first
    voxel.

    Attributes:
        corners_mm: [n, 3] before smoothing: corners of voxels.
        points_mm: [n, 3] the same points, smoothed.
        quads: [m, 4] indices of points; the diagonal from the first to the third makes
            two triangles of each.
        sides: [m, 2] numbers of the structures on both sides, 0 outside of all, which
            is always the second. Quads are turned outwards as seen from the first.
    """

    corners_mm: NDArray[np.float64]
    points_mm: NDArray[np.float64]
    quads: NDArray[np.int64]
    sides: NDArray[np.uint8]


def surface_nets(
    numbers: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
) -> SurfaceNets:
    """The smoothed boundaries of a label map.

    Each piece is there once, so that neighbours meet without gap or overlap; what
    reaches the border of the volume is closed there. After S. F. Frisken, SurfaceNets
    for Multi-Label Segmentations with Preservation of Sharp Boundaries, Journal of
    Computer Graphics Techniques 11 (1), 2022.

    Args:
        numbers: [z, y, x], 0 outside of all structures; not all 0.
        spacing_mm: (z, y, x).
    """
    # What lies outside of all structures costs time and memory only.
    found = [
        np.flatnonzero(numbers.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))
    ]
    box = tuple(slice(ones[0], ones[-1] + 1) for ones in found)
    padded = np.pad(numbers[box], 1)
    origin_mm = np.array(spacing_mm) * [ones[0] - 1 for ones in found]
    image = vtkImageData()
    image.SetDimensions(padded.shape[::-1])
    image.SetSpacing(spacing_mm[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(), deep=True))
    nets = vtkSurfaceNets3D()
    nets.SetInputData(image)
    nets.SetOutputMeshTypeToQuads()
    nets.SetNumberOfIterations(ITERATIONS)
    nets.AutomaticSmoothingConstraintsOff()
    nets.GetSmoother().SetConstraintStrategyToConstraintBox()
    nets.GetSmoother().SetConstraintBox(*spacing_mm[::-1])
    for index, number in enumerate(np.unique(padded)[1:]):
        nets.SetValue(index, int(number))
    corners, points = (
        _points(nets, smoothed=smoothed) + origin_mm[::-1] for smoothed in (False, True)
    )
    output = nets.GetOutput()
    quads = vtk_to_numpy(output.GetPolys().GetConnectivityArray())
    sides = vtk_to_numpy(output.GetCellData().GetArray("BoundaryLabels"))
    quads = _shorter_first(quads.reshape(-1, 4).astype(np.int64), points)
    return SurfaceNets(corners, points, quads, sides.copy())


def triangles_of(quads: NDArray[np.int64]) -> NDArray[np.int64]:
    """Two triangles of each quad, [2 m, 3], one after the other."""
    return quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)


def _points(nets: vtkSurfaceNets3D, *, smoothed: bool) -> NDArray[np.float64]:
    nets.SetSmoothing(smoothed)
    nets.Update()
    return vtk_to_numpy(nets.GetOutput().GetPoints().GetData()).astype(float)


def _shorter_first(
    quads: NDArray[np.int64], points_mm: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The quads, each begun so that its first diagonal is the shorter one."""
    a, b, c, d = (points_mm[corner] for corner in quads.T)
    longer = np.linalg.norm(c - a, axis=1) > np.linalg.norm(d - b, axis=1)
    return np.where(longer[:, np.newaxis], np.roll(quads, -1, axis=1), quads)
