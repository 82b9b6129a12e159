"""Patients made of analytic bodies, for everything that is written of one."""

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from deeprac.cohort.grid import Grid
from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure
from deeprac.surgery.flags import Flag, Verdict
from deeprac.surgery.study import Study
from support.dicom_builders import Series

LEFT = Structure(1, Kind.KIDNEY, BodySide.LEFT)
RIGHT = Structure(2, Kind.KIDNEY, BodySide.RIGHT)
TUMOUR = Structure(3, Kind.TUMOUR, BodySide.RIGHT, 1)
STRUCTURES = (LEFT, RIGHT, TUMOUR)

SPACING_XYZ_MM = (0.9, 1.1, 2.5)
SIZE = (120, 90, 40)
"""x, y, z: 108 x 99 x 100 mm."""

BODIES = (
    (1, (80.0, 55.0, 45.0), (13.0, 15.0, 24.0)),
    (2, (26.0, 50.0, 50.0), (12.0, 14.0, 22.0)),
    (3, (34.0, 38.0, 56.0), (12.0, 12.0, 12.0)),
)
"""Number, centre and radii (x, y, z) in mm from the corner of the first voxel; later
ones lie over earlier ones."""


def tilted(tilt_deg: float) -> np.ndarray:
    """Axes turned about x, then a third of it about z."""
    a, b = np.deg2rad(tilt_deg), np.deg2rad(tilt_deg / 3)
    about_x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    about_z = [[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]]
    return np.array(about_x) @ np.array(about_z)


def lps_grid(tilt_deg: float = 0.0, size=SIZE, spacing_mm=SPACING_XYZ_MM) -> Grid:
    """An off-centre grid whose axes are nearly the patient's."""
    return Grid.along(tilted(tilt_deg), size, spacing_mm, (-61.5, 23.25, -807.0))


def bodies(grid: Grid, parts=BODIES) -> np.ndarray:
    """Numbers [z, y, x] of the bodies, in millimetres along the axes of the grid."""
    x_mm, y_mm, z_mm = (
        (np.arange(n) + 0.5) * s
        for n, s in zip(grid.size, grid.spacing_xyz_mm, strict=True)
    )
    numbers = np.zeros(grid.size[::-1], np.uint8)
    for number, (cx, cy, cz), (rx, ry, rz) in parts:
        far = (
            ((z_mm[:, None, None] - cz) / rz) ** 2
            + ((y_mm[None, :, None] - cy) / ry) ** 2
            + ((x_mm[None, None, :] - cx) / rx) ** 2
        )
        numbers[far < 1] = number
    return numbers


def an_anatomy(grid: Grid | None = None, numbers=None) -> Anatomy:
    """Two kidneys, one with a tumour."""
    grid = grid or lps_grid()
    return Anatomy(bodies(grid) if numbers is None else numbers, grid, STRUCTURES)


BOXES = (
    (1, (2, 3, 14), (6, 7, 9)),
    (2, (8, 2, 2), (5, 6, 6)),
    (3, (1, 10, 6), (5, 5, 7)),
)
"""Number, first corner and size in voxels [z, y, x]: apart, none like another."""


def boxes(tilt_deg: float = 0.0) -> Anatomy:
    """Three boxes whose middles are known, on a small grid."""
    grid = lps_grid(tilt_deg, (27, 18, 16), (0.8, 0.9, 2.5))
    numbers = np.zeros(grid.size[::-1], np.uint8)
    for number, corner, size in BOXES:
        box = (slice(c, c + s) for c, s in zip(corner, size, strict=True))
        numbers[tuple(box)] = number
    return Anatomy(numbers, grid, STRUCTURES)


def middles_mm(anatomy: Anatomy) -> np.ndarray:
    """Middles of the boxes in LPS, by hand: [3, 3]."""
    middles = [np.array(c) + (np.array(s) - 1) / 2 for _, c, s in BOXES]
    steps = np.array(middles)[:, ::-1] * anatomy.grid.spacing_xyz_mm
    return steps @ anatomy.grid.axes.T + anatomy.grid.origin_mm


def centroids_mm(volume: sitk.Image, numbers=(1, 2, 3)) -> np.ndarray:
    """Mean place of the voxels of each number in LPS, [n, 3]."""
    array = sitk.GetArrayFromImage(volume)
    means = [np.argwhere(array == n).mean(axis=0)[::-1] for n in numbers]
    place = volume.TransformContinuousIndexToPhysicalPoint
    return np.array([place(mean.tolist()) for mean in means])


ORIENTATIONS = tuple(
    "".join(pair[flip] for pair, flip in zip(order, flips, strict=True))
    for order in permutations(("LR", "PA", "SI"))
    for flips in product((0, 1), repeat=3)
)
"""The 48 orders and directions of axes, in DICOM's letters."""


def source_grid(anatomy: Anatomy, orientation: str) -> Grid:
    """The grid of an input whose axes were in another order or direction."""
    volume = anatomy.grid.volume(anatomy.numbers)
    return Grid.of(sitk.DICOMOrient(volume, orientation))


def write_series(folder, grid: Grid, **changes) -> list[Path]:
    """Write a CT series on a grid; return its files, the first slice first."""
    hu = np.full(grid.size[::-1], 40, np.int16)
    series = Series(
        hu,
        spacing_mm=grid.spacing_xyz_mm,
        origin_mm=grid.origin_mm,
        axes=grid.axes,
        **changes,
    )
    return series.write(folder)


MEASURES = pd.DataFrame(
    [
        ("kidney_left", "volume_ml", 19.6, "ml", "voxels times their volume"),
        ("kidney_right", "volume_ml", 12.4, "ml", "voxels times their volume"),
        ("tumour_1", "volume_ml", 7.2384, "ml", "voxels times their volume"),
        ("tumour_1", "diameter_3d_mm", 24.1, "mm", "largest distance of two voxels"),
        ("", "tumours", 1.0, "", "connected tumours"),
        ("", "hilum", np.nan, "", "not measured, not segmented"),
    ],
    columns=["structure", "measure", "value", "unit", "definition"],
).assign(method="counted", citation="")

PROTOCOL = pd.DataFrame(
    [
        {
            "finding": "7 ml, below 300 ml",
            "measured": 7.2384,
            "criterion": "volume for nephron-sparing surgery",
            "measure": "volume_ml",
            "comparison": "below",
            "value": 300.0,
            "unit": "ml",
            "time_point": "after_chemotherapy",
            "also_asks": "no thrombus; a syndrome cannot be seen in a mask",
            "verified": "no",
            "note": "",
        }
    ]
)

CHANGES = pd.DataFrame(
    [("small_components", "tumour", -0.03, 1)],
    columns=["step", "structure", "change_ml", "parts"],
)

FLAG = Flag(
    code="kidney_count",
    verdict=Verdict.LOOK,
    message="3 kidneys were found.",
    remedy="Look at the planes.",
    value=3,
    limit=2,
)


def a_study(anatomy: Anatomy | None = None, *, source=None, image=True, **changes):
    """A patient with a CT in which every structure has a value of its own."""
    anatomy = anatomy or an_anatomy()
    ct = None
    if image:
        values = np.array([-50, 120, 110, 70], np.float32)
        noise = np.random.default_rng(0).normal(0, 12, anatomy.numbers.shape)
        ct = values[anatomy.numbers.clip(max=3)] + noise.astype(np.float32)
    usual = {
        "anatomy": anatomy,
        "source": source or anatomy.grid,
        "image": ct,
        "measures": MEASURES,
        "protocol": PROTOCOL,
        "flags": (FLAG,),
        "changes": CHANGES,
        "provenance": {"device": "cpu", "folds": [0, 1], "seconds": {"network": 12.5}},
    }
    return Study(**(usual | changes))
