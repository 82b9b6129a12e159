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
from vtkmodules.vtkFiltersCore import vtkQuadricDecimation

from deeprac.surgery.surfaces import Surface


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
    decimation = vtkQuadricDecimation()
    decimation.SetInputData(poly_data(surface))
    decimation.SetTargetReduction(1 - triangles / count)
    decimation.Update()
    mesh = decimation.GetOutput()
    corners = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray())
    points = vtk_to_numpy(mesh.GetPoints().GetData())
    return points.astype(float), corners.reshape(-1, 3).astype(np.int64)
