"""Pictures of planes: artists and letters, not pixels."""

import logging

import numpy as np
import pytest
from matplotlib.image import imread

from deeprac.surgery import preview
from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure
from deeprac.surgery.preview import PLANES, pictured, planes, write_preview
from deeprac.surgery.surfaces import surfaces
from support.studies import LEFT, RIGHT, TUMOUR, a_study, an_anatomy, lps_grid

pytestmark = pytest.mark.slow


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.fixture(scope="module")
def figure():
    return planes(a_study(), TUMOUR)


def test_three_planes_with_letters_and_bars(figure):
    axial, coronal, sagittal = figure.axes
    assert texts(axial) == ["R", "L", "A", "P", "20 mm"]
    assert texts(coronal) == ["R", "L", "S", "I", "20 mm"]
    assert texts(sagittal) == ["A", "P", "S", "I", "20 mm"]
    # The tumour's middle (34, 38, 56) mm from the corner (-61.95, 22.7, -808.25).
    titles = [ax.get_title() for ax in figure.axes]
    expected = ["axial, z = -753 mm", "coronal, y = 61 mm", "sagittal, x = -28 mm"]
    for title, wanted in zip(titles, expected, strict=True):
        name, _, number = wanted.rpartition("=")
        assert title.startswith(name)
        found_mm, wanted_mm = (
            float(t.split("=")[1].split()[0]) for t in (title, wanted)
        )
        assert found_mm == pytest.approx(wanted_mm, abs=2.5), number


def test_pixels_are_as_wide_and_high_as_they_are_in_millimetres(figure):
    for ax, (width_mm, height_mm) in zip(
        figure.axes, ((108, 99), (108, 100), (99, 100)), strict=True
    ):
        assert ax.images[0].get_extent() == pytest.approx([0, width_mm, height_mm, 0])
        assert ax.get_aspect() == 1
        assert ax.images[0].get_clim() == (-160, 240)


def test_convention_rows_go_down_from_the_front_and_from_the_head(figure):
    study = a_study()
    volume = study.image
    k, j, i = np.argwhere(study.anatomy.mask(TUMOUR)).mean(axis=0).round().astype(int)
    shown = [np.asarray(ax.images[0].get_array()) for ax in figure.axes]
    np.testing.assert_array_equal(shown[0], volume[k])
    np.testing.assert_array_equal(shown[1], volume[::-1, j])
    np.testing.assert_array_equal(shown[2], volume[::-1, :, i])


def test_structures_are_outlined_in_their_colours(figure):
    axial = figure.axes[0]
    colours = {tuple((c.get_edgecolor()[0] * 255).round()) for c in axial.collections}
    assert colours == {(185, 102, 83, 255), (144, 238, 144, 255)}
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["Left kidney", "Right kidney", "Tumour 1 (right)"]


def test_without_a_ct_the_outlines_are_there():
    drawn = planes(a_study(image=False), TUMOUR)
    assert all(len(ax.collections) >= 1 for ax in drawn.axes)
    assert [plane.name for plane in PLANES] == ["axial", "coronal", "sagittal"]


def test_tumours_are_pictured_else_kidneys():
    assert pictured(an_anatomy()) == (TUMOUR,)
    grid = lps_grid()
    kidneys = Anatomy(an_anatomy().numbers % 3, grid, (LEFT, RIGHT))
    assert pictured(kidneys) == (LEFT, RIGHT)
    many = tuple(Structure(n, Kind.TUMOUR, BodySide.LEFT, n) for n in range(1, 31))
    assert pictured(Anatomy(kidneys.numbers, grid, many)) == many[:12]
    assert pictured(Anatomy(kidneys.numbers * 0, grid, ())) == ()


def test_files_and_their_bytes(tmp_path):
    study = a_study()
    drawn = surfaces(study.anatomy)
    for folder in ("a", "b"):
        write_preview(study, drawn, tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["surfaces.png", "tumour_1.png"]
    for name in names:
        one, other = (tmp_path / folder / name for folder in "ab")
        assert one.read_bytes() == other.read_bytes()
    assert imread(tmp_path / "a" / "tumour_1.png").std() > 0.1


def test_without_opengl_the_reason_is_logged(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(preview, "render", lambda *_, **__: None)
    study = a_study()
    with caplog.at_level(logging.WARNING):
        write_preview(study, surfaces(study.anatomy), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tumour_1.png"]
    assert "no OpenGL" in caplog.text
