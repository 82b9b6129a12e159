"""What 3D Slicer's own reading classes (wheel slicer-core) find in a result."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deeprac.surgery.models import write_models
from deeprac.surgery.seg_nrrd import write_seg_nrrd
from deeprac.surgery.surfaces import surfaces
from deeprac.surgery.terminology import terms
from support.studies import STRUCTURES, a_study, boxes, middles_mm, source_grid

pytestmark = pytest.mark.long

WHEELS = ("slicer-core==5.13.31053.0", "vtk==9.6.2")
"""The version that was tried, and the vtk that it is built for."""
SCRIPT = Path(__file__).parents[1] / "support" / "slicer_reads.py"
RAS = np.array([-1, -1, 1])


@pytest.fixture(scope="module")
def slicer(tmp_path_factory):
    """An interpreter with slicer-core, apart from ours."""
    home = tmp_path_factory.mktemp("slicer")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    python = str(home / "bin" / "python")
    pip = [python, "-m", "pip", "install", "-q", "--no-compile", *WHEELS]
    result = subprocess.run(pip, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip(f"pip cannot install {WHEELS}: {result.stderr[-300:]}")
    return python


@pytest.mark.parametrize("tilt_deg", [0, 8])
@pytest.mark.parametrize("orientation", ["LPS", "RAS", "SLA"])
def test_names_colours_terms_and_places(slicer, tmp_path, tilt_deg, orientation):
    anatomy = boxes(tilt_deg)
    study = a_study(anatomy, source=source_grid(anatomy, orientation))
    drawn = surfaces(anatomy)
    write_seg_nrrd(study, tmp_path / "segmentation.seg.nrrd")
    write_models(drawn, tmp_path / "models")
    result = subprocess.run(
        [slicer, str(SCRIPT), str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    read = json.loads(result.stdout.splitlines()[-1])
    assert "arning" not in result.stderr
    middles = middles_mm(anatomy) * RAS
    for one, surface, middle in zip(STRUCTURES, drawn, middles, strict=True):
        segment = read["segments"][one.name]
        assert f"TerminologyEntry:{segment['terminology']}" == terms(one).slicer_tag
        colour = np.array(terms(one).colour) / 255
        assert segment["colour"] == pytest.approx(colour, abs=1e-5)
        assert segment["voxels"] == anatomy.mask(one).sum()
        np.testing.assert_allclose(segment["middle_ras_mm"], middle, atol=0.01)
        points = surface.points_mm * RAS
        bounds = np.stack([points.min(axis=0), points.max(axis=0)], axis=1).ravel()
        for ending in ("stl", "ply"):
            model = read["models"][f"{one.name}.{ending}"]
            assert model["space"] == "LPS"
            np.testing.assert_allclose(model["bounds_ras_mm"], bounds, atol=0.01)
            assert model["volume_ml"] == pytest.approx(surface.volume_ml, rel=1e-3)
