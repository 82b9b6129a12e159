"""Surfaces for VTK: as they are, and with fewer triangles."""

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import (
    numpy_to_vtk,
    numpy_to_vtkIdTypeArray,
    vtk_to_numpy,
)
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkCommonExecutionModel import vtkPolyDataAlgorithm
from vtkmodules.vtkFiltersCore import vtkBinnedDecimation, vtkQuadricDecimation

from deeprac.surgery.surfaces import Surface

MANY_TRIANGLES = 500_000
"""What has more is no organ, and is not worth the minute that the better way takes."""


def poly_data(surface: Surface) -> vtkPolyData:
    """The surface as VTK knows it."""
    points = vtkPoints()
    points.SetData(numpy_to_vtk(surface.points_mm, deep=True))
    cells = vtkCellArray()
    starts = np.arange(0, surface.triangles.size + 1, 3)
    cells.SetData(
        numpy_to_vtkIdTypeArray(starts, deep=True),
        numpy_to_vtkIdTypeArray(surface.triangles.ravel(), deep=True),
    )
    mesh = vtkPolyData()
    mesh.SetPoints(points)
    mesh.SetPolys(cells)
    return mesh


def reduced(
    surface: Surface, triangles: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points and triangles of a surface, with about as many triangles at most.

    For looking at: pieces may be lost and neighbours need not meet.
    """
    count = len(surface.triangles)
    if count <= triangles:
        return surface.points_mm, surface.triangles
    reduce = _by_edges if count <= MANY_TRIANGLES else _by_cubes
    decimation = reduce(surface, triangles)
    decimation.SetInputData(poly_data(surface))
    decimation.Update()
    mesh = decimation.GetOutput()
    corners = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray())
    points = vtk_to_numpy(mesh.GetPoints().GetData())
    return points.astype(float), corners.reshape(-1, 3).astype(np.int64)


def _by_edges(surface: Surface, triangles: int) -> vtkPolyDataAlgorithm:
    """Edges vanish one by one, first those that change the shape least."""
    decimation = vtkQuadricDecimation()
    decimation.SetTargetReduction(1 - triangles / len(surface.triangles))
    return decimation


def _by_cubes(surface: Surface, triangles: int) -> vtkPolyDataAlgorithm:
    """All points of a cube become one; two triangles of each cube of the surface."""
    a, b, c = (surface.points_mm[corner] for corner in surface.triangles.T)
    area_mm2 = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    side_mm = np.sqrt(2 * area_mm2 / triangles)
    cubes = np.ptp(surface.points_mm, axis=0) / side_mm
    decimation = vtkBinnedDecimation()
    decimation.AutoAdjustNumberOfDivisionsOff()
    decimation.SetNumberOfDivisions(*(max(2, int(n)) for n in cubes))
    decimation.SetPointGenerationModeToBinAverages()
    return decimation
