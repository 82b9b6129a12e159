"""Surfaces for VTK."""

import numpy as np
import pytest
from vtkmodules.vtkFiltersCore import vtkMassProperties

from deeprac.surgery import meshes
from deeprac.surgery.meshes import poly_data, reduced
from deeprac.surgery.surfaces import surfaces
from support.studies import an_anatomy


@pytest.fixture(scope="module")
def tumour():
    return surfaces(an_anatomy())[2]


def test_vtk_finds_the_same_volume(tumour):
    mass = vtkMassProperties()
    mass.SetInputData(poly_data(tumour))
    assert mass.GetVolume() / 1000 == pytest.approx(tumour.volume_ml, rel=1e-3)


@pytest.mark.parametrize("many", [10**6, 10**3], ids=["an organ", "too many"])
def test_fewer_triangles_keep_the_shape(tumour, monkeypatch, many):
    monkeypatch.setattr(meshes, "MANY_TRIANGLES", many)
    points, triangles = reduced(tumour, 800)
    assert 400 < len(triangles) <= 820
    a, b, c = (points[corner] for corner in triangles.T)
    ml = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6000
    assert ml == pytest.approx(tumour.volume_ml, rel=0.02)


def test_few_triangles_are_left_as_they_are(tumour):
    points, triangles = reduced(tumour, 10**6)
    assert points is tumour.points_mm
    assert triangles is tumour.triangles
