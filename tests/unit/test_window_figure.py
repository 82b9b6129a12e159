"""Panels of the figure show the numbers of the tables."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from deeprac.reporting import window_figure
from deeprac.reporting.window_geometry import read_geometry
from deeprac.windows import KINDS, SHAPES
from support.geometry_tables import geometry_files


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("geometry")
    geometry_files(folder)
    return read_geometry(folder)


@pytest.fixture
def ax():
    return Figure().subplots()


def test_what_fits(tables, ax):
    window_figure.draw_fitting(tables["cases"], ax=ax)
    lines = ax.get_lines()
    assert len(lines) == 2 * len(SHAPES)
    square, with_margin = lines[:2]
    np.testing.assert_allclose(square.get_xdata(), 0.5)
    np.testing.assert_allclose(with_margin.get_xdata(), 0.55)
    assert square.get_ydata()[-1] == 100
    # Of a pair one case in four falls back.
    assert lines[-1].get_ydata()[-1] == 75


def test_what_is_covered(tables, ax):
    window_figure.draw_coverage(tables["coverage"], ax=ax)
    mean = ax.get_lines()[4]
    np.testing.assert_allclose(mean.get_ydata(), [40, 80, 100, 100, 100])


def test_density_is_drawn_at_what_it_costs(tables, ax):
    window_figure.draw_density(tables["windows"], ax=ax)
    x, y = ax.get_lines()[0].get_data()
    assert x[0] == 0.25
    assert y[0] == pytest.approx(0.5 / 0.55, rel=0.03)
    assert len(ax.get_lines()) == 2 * len(KINDS) + 2


def test_ceilings(tables, ax):
    window_figure.draw_ceilings(tables["ceilings"], ax=ax)
    kidney, tumour = ax.get_lines()
    np.testing.assert_allclose(kidney.get_xdata(), [90, 80])
    np.testing.assert_allclose(tumour.get_xdata(), [70, 60])
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["whole slice, 512", "stn 256 x 256, 512"]


@pytest.mark.slow
def test_the_figure_is_written(tmp_path):
    geometry_files(tmp_path)
    window_figure.draw_geometry(tmp_path, tmp_path / "windows")
    assert (tmp_path / "windows.png").stat().st_size > 10_000
    assert "n = 4 masks" in (tmp_path / "windows.svg").read_text()
