"""Surfaces as a picture, drawn by VTK without a screen."""

import ctypes
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from vtkmodules import vtkRenderingOpenGL2
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
from vtkmodules.vtkRenderingCore import (
    vtkActor,
    vtkPolyDataMapper,
    vtkRenderer,
    vtkRenderWindow,
    vtkWindowToImageFilter,
)

from deeprac.surgery.meshes import poly_data
from deeprac.surgery.surfaces import Surface
from deeprac.surgery.terminology import terms

FRONT, BEHIND = -1, 1
"""Where the viewer stands along y, which grows to posterior."""

_AROUND = 1.08
"""How much larger than the surfaces the picture is."""


def render(
    surfaces: Sequence[Surface], views: Sequence[int], *, pixels: int
) -> tuple[list[NDArray[np.uint8]], float] | None:
    """Draw surfaces upright, without perspective, on black.

    Args:
        surfaces: at least one.
        views: ``FRONT`` or ``BEHIND`` for each picture.
        pixels: side of a picture.

    Returns:
        Pictures (h, w, 3), and their side in millimetres; None where this machine
        cannot draw, for it has no OpenGL.
    """
    window = _window(pixels)
    if window is None:
        return None
    renderer = vtkRenderer()
    for surface in surfaces:
        renderer.AddActor(_actor(surface))
    window.AddRenderer(renderer)
    bounds = np.reshape(renderer.ComputeVisiblePropBounds(), (3, 2))
    middle, extent_mm = bounds.mean(axis=1), np.ptp(bounds, axis=1)
    side_mm = float(_AROUND * max(extent_mm[0], extent_mm[2]))
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetFocalPoint(middle)
    pictures = []
    for view in views:
        x, y, z = middle
        camera.SetPosition(x, y + view * 2 * extent_mm.max(), z)
        camera.SetViewUp(0, 0, 1)
        camera.SetParallelScale(side_mm / 2)
        renderer.ResetCameraClippingRange()
        pictures.append(_picture(window))
    return pictures, side_mm


def _window(pixels: int) -> vtkRenderWindow | None:
    """A window without a screen; None where there is no OpenGL."""
    if sys.platform == "linux":
        # VTK itself ends the process where this library is missing.
        try:
            ctypes.CDLL("libEGL.so.1")
        except OSError:
            return None
        window = vtkRenderingOpenGL2.vtkEGLRenderWindow()
    else:
        window = vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetMultiSamples(8)
    window.SetSize(pixels, pixels)
    return window if window.SupportsOpenGL() else None


def _actor(surface: Surface) -> vtkActor:
    normals = vtkPolyDataNormals()
    normals.SetInputData(poly_data(surface))
    normals.SplittingOff()
    mapper = vtkPolyDataMapper()
    mapper.SetInputConnection(normals.GetOutputPort())
    actor = vtkActor()
    actor.SetMapper(mapper)
    look = actor.GetProperty()
    look.SetColor(*(value / 255 for value in terms(surface.structure).colour))
    look.SetSpecular(0.2)
    look.SetSpecularPower(20)
    return actor


def _picture(window: vtkRenderWindow) -> NDArray[np.uint8]:
    window.Render()
    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    # VTK's first row is the lowest.
    return values.reshape(height, width, -1)[::-1, :, :3].copy()
