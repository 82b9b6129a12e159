"""STL, PLY and glTF, read back by trimesh."""

import io
import json
import struct

import numpy as np
import pytest
import trimesh

from deeprac.surgery.models import glb, ply, stl, write_models
from deeprac.surgery.surfaces import surfaces
from support.studies import an_anatomy, boxes, lps_grid, middles_mm


@pytest.fixture(scope="module")
def drawn():
    return surfaces(an_anatomy(lps_grid(8)))


@pytest.mark.parametrize(("kind", "write"), [("stl", stl), ("ply", ply)])
def test_solids_in_lps(drawn, kind, write):
    for surface in drawn:
        mesh = trimesh.load(io.BytesIO(write(surface)), file_type=kind)
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.volume / 1000 == pytest.approx(surface.volume_ml, rel=1e-4)
        np.testing.assert_allclose(
            mesh.bounds,
            [surface.points_mm.min(axis=0), surface.points_mm.max(axis=0)],
            atol=1e-3,
        )


def test_the_space_is_stated(drawn):
    assert stl(drawn[0])[:80].startswith(b"SPACE=LPS ")
    (count,) = struct.unpack("<I", stl(drawn[0])[80:84])
    assert count == len(drawn[0].triangles)
    head = ply(drawn[0]).split(b"end_header")[0].splitlines()
    assert head[:3] == [
        b"ply", b"format binary_little_endian 1.0", b"comment SPACE=LPS"
    ]  # fmt: skip


def test_the_scene_is_in_metres_with_the_head_up():
    anatomy = boxes(8)
    scene = trimesh.load(
        io.BytesIO(glb(surfaces(anatomy))), file_type="glb", merge_primitives=False
    )
    assert sorted(scene.geometry) == ["kidney_left", "kidney_right", "tumour_1"]
    for (name, mesh), (x, y, z) in zip(
        sorted(scene.geometry.items()), middles_mm(anatomy), strict=True
    ):
        transform, geometry = scene.graph[name]
        assert (geometry, transform.tolist()) == (name, np.eye(4).tolist())
        # Left is +X, the head +Y, the face +Z.
        np.testing.assert_allclose(
            mesh.center_mass * 1000, (x, z, -y), atol=0.01, rtol=0
        )
        assert mesh.volume > 0


def test_names_and_colours_of_the_scene(drawn):
    content = glb(drawn)
    (length,) = struct.unpack("<I", content[12:16])
    header = json.loads(content[20 : 20 + length])
    assert [m["name"] for m in header["meshes"]] == [s.structure.name for s in drawn]
    materials = {m["name"]: m["pbrMetallicRoughness"] for m in header["materials"]}
    assert sorted(materials) == ["Left kidney", "Right kidney", "Tumour 1 (right)"]
    green = [144 / 255, 238 / 255, 144 / 255, 1]
    assert materials["Tumour 1 (right)"]["baseColorFactor"] == pytest.approx(green)
    assert all("NORMAL" in m["primitives"][0]["attributes"] for m in header["meshes"])


def test_the_same_surfaces_give_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        write_models(surfaces(an_anatomy()), tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [
        "kidney_left.ply", "kidney_left.stl", "kidney_right.ply", "kidney_right.stl",
        "scene.glb", "tumour_1.ply", "tumour_1.stl",
    ]  # fmt: skip
    for name in names:
        one, other = (tmp_path / folder / name for folder in "ab")
        assert one.read_bytes() == other.read_bytes()


def test_without_surfaces_there_is_no_file(tmp_path):
    write_models((), tmp_path / "models")
    assert list(tmp_path.iterdir()) == []
