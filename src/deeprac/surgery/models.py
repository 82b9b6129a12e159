"""3D models of structures as files that other programs read.

STL and PLY are LPS millimetres and say so, as 3D Slicer reads it. The scene for viewers
is glTF: metres, the head up (+Y), the face towards the viewer (+Z), and so the
patient's left at +X.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh

from deeprac import files
from deeprac.surgery.surfaces import Surface
from deeprac.surgery.terminology import terms, title

SPACE = b"SPACE=LPS"

_STL_HEADER = 80
_PLY_INTRO = b"ply\nformat binary_little_endian 1.0\ncomment " + SPACE + b"\n"
_METRES_PER_MM = 1e-3

_GLTF_FROM_LPS = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float)


def write_models(surfaces: Sequence[Surface], folder: Path) -> None:
    """Write ``NAME.stl`` and ``NAME.ply`` of every structure, and ``scene.glb``.

    Equal surfaces give equal bytes. Without surfaces there is no file.

    Args:
        surfaces: the structures.
        folder: made when missing.
    """
    for surface in surfaces:
        stem = folder / surface.structure.name
        files.write_bytes(stem.with_suffix(".stl"), stl(surface))
        files.write_bytes(stem.with_suffix(".ply"), ply(surface))
    if surfaces:
        files.write_bytes(folder / "scene.glb", glb(surfaces))


def stl(surface: Surface) -> bytes:
    """Binary STL, whose header begins with the space."""
    content = trimesh.exchange.stl.export_stl(_mesh(surface))
    return SPACE.ljust(_STL_HEADER) + content[_STL_HEADER:]


def ply(surface: Surface) -> bytes:
    """Binary PLY with the space as a comment."""
    content = trimesh.exchange.ply.export_ply(_mesh(surface), vertex_normal=False)
    _, element, rest = content.partition(b"element")
    return _PLY_INTRO + element + rest


def glb(surfaces: Sequence[Surface]) -> bytes:
    """One scene of all structures, named and coloured."""
    scene = trimesh.Scene()
    for surface in surfaces:
        mesh = _mesh(surface)
        mesh.vertices = mesh.vertices @ _GLTF_FROM_LPS.T * _METRES_PER_MM
        colour = (*terms(surface.structure).colour, 255)
        material = trimesh.visual.material.PBRMaterial(
            name=title(surface.structure), baseColorFactor=colour,
            metallicFactor=0.0, roughnessFactor=0.7,
        )  # fmt: skip
        mesh.visual = trimesh.visual.TextureVisuals(material=material)
        name = surface.structure.name
        scene.add_geometry(mesh, node_name=name, geom_name=name)
    return trimesh.exchange.gltf.export_glb(scene, include_normals=True)


def _mesh(surface: Surface) -> trimesh.Trimesh:
    return trimesh.Trimesh(surface.points_mm, surface.triangles, process=False)
