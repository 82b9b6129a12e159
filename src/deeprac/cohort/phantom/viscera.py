"""Liver, spleen, stomach, bowel and great vessels around the kidneys."""

from typing import Any

import numpy as np

from deeprac.cohort.phantom.fields import (
    Array,
    Blob,
    Organ,
    draw_waves,
    rotation_matrix,
)
from deeprac.cohort.phantom.torso import Torso


class _Place:
    """Turns shares of the body into millimetres.

    x and y count in half widths and half depths, z in kidney lengths.
    """

    def __init__(
        self, rng: np.random.Generator, torso: Torso, kidney_mm: float
    ) -> None:
        self.rng = rng
        self.unit = np.array([torso.half_width_mm, torso.half_depth_mm, kidney_mm])

    def blob(
        self,
        centre: tuple[float, float, float],
        axes: tuple[float, float, float],
        *,
        turn: tuple[float, float, float] = (0, 0, 0),
        uneven: float = 0.06,
    ) -> Blob:
        """An uneven ellipsoid, its place and size varied by a few per cent."""
        size = self.unit * axes * np.exp(self.rng.normal(0, 0.06, 3))
        place = self.unit * (np.array(centre) + self.rng.normal(0, 0.025, 3))
        about_x, about_y, about_z = np.array(turn) + self.rng.normal(0, 0.06, 3)
        return Blob(
            centre_mm=place,
            axes_mm=size,
            rotation=rotation_matrix(about_x=about_x, about_y=about_y, about_z=about_z),
            waves=draw_waves(self.rng, wavelength_mm=1.6 * float(np.median(size))),
            bump_mm=uneven * float(np.median(size)),
        )


def draw_viscera(
    rng: np.random.Generator, torso: Torso, kidney_mm: float
) -> list[Organ]:
    """Draw the organs of the cavity, in the order in which they are painted."""
    place = _Place(rng, torso, kidney_mm)
    return [*_bowel(place), *_colon(place), *_solid(place), *_vessels(place)]


def _bowel(place: _Place) -> list[Organ]:
    """Loops of small bowel in the front and middle of the cavity."""
    rng, loops = place.rng, []
    for _ in range(int(rng.integers(80, 105))):
        angle, radius = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 1))
        centre = (
            0.70 * radius * np.cos(angle),
            -0.29 + 0.42 * radius * np.sin(angle),
            rng.uniform(-1.7, 0.75),
        )
        thick = rng.uniform(0.085, 0.135) * place.unit[0]
        axes = thick * np.array([1, rng.uniform(0.7, 1.1), rng.uniform(1.3, 2.4)])
        turn = rng.uniform(-1.5, 1.5, 3)
        shape = place.blob(centre, tuple(axes / place.unit), turn=tuple(turn))
        loops.append(
            Organ(
                shape,
                hu=rng.uniform(12, 48),
                texture=draw_waves(rng, wavelength_mm=0.7 * thick),
                texture_hu=8,
                wall_mm=float(0.5 + 0.008 * place.unit[0]),
                wall_hu=rng.uniform(70, 100),
                gas=rng.uniform(0.1, 0.5) if rng.uniform() < 0.1 else 0.0,
            )
        )
    return loops


def _colon(place: _Place) -> list[Organ]:
    """Ascending, descending and transverse colon with stool and gas."""
    rng = place.rng
    shapes = [
        place.blob((-0.70, 0.02, -1.0), (0.155, 0.19, 0.95), uneven=0.14),
        place.blob((0.73, 0.10, -0.8), (0.10, 0.13, 1.1), uneven=0.14),
        place.blob((0.05, -0.62, -0.35), (0.55, 0.15, 0.24), uneven=0.12),
        place.blob((-0.50, -0.50, -0.30), (0.20, 0.20, 0.25), uneven=0.12),
    ]
    return [
        Organ(
            shape,
            hu=rng.uniform(-10, 40),
            texture=draw_waves(rng, wavelength_mm=0.09 * place.unit[0], count=10),
            texture_hu=rng.uniform(20, 60),
            wall_mm=float(0.8 + 0.01 * place.unit[0]),
            wall_hu=75,
            gas=rng.uniform(0.2, 0.75),
        )
        for shape in shapes
    ]


def _solid(place: _Place) -> list[Organ]:
    """Stomach, pancreas, spleen, liver and gallbladder."""
    rng = place.rng

    def organ(
        centre: Any,
        axes: Any,
        hu: Any,
        texture_hu: Any,
        grain: float,
        about_z: float = 0,
    ) -> Organ:
        """Pairs of HU are ranges to draw from."""
        shape = place.blob(centre, axes, turn=(0, 0, about_z))
        hu, texture_hu = (
            rng.uniform(*value) if isinstance(value, tuple) else value
            for value in (hu, texture_hu)
        )
        waves = draw_waves(rng, wavelength_mm=grain * place.unit[0])
        return Organ(shape, hu=hu, texture=waves, texture_hu=texture_hu)

    stomach = Organ(
        place.blob((0.34, -0.34, 0.95), (0.36, 0.36, 0.5), turn=(0, 0.4, 0)),
        hu=rng.uniform(5, 35),
        texture=draw_waves(rng, wavelength_mm=0.15 * place.unit[0]),
        texture_hu=12,
        wall_mm=float(1.5 + 0.015 * place.unit[0]),
        wall_hu=85,
        gas=rng.uniform(0.15, 0.5),
    )
    liver = rng.uniform(68, 88)
    return [
        stomach,
        organ((0.12, -0.12, 0.38), (0.42, 0.10, 0.12), (90, 120), 8, 0.08, -0.25),
        # Early arterial spleens are striped.
        organ((0.72, 0.20, 0.90), (0.14, 0.44, 0.60), (105, 135), (10, 28), 0.13, -0.4),
        organ((0.0, -0.46, 1.05), (0.58, 0.36, 0.65), liver, 4, 0.15),
        organ((-0.56, -0.14, 1.0), (0.42, 0.68, 1.15), liver, 4, 0.15),
        organ((-0.30, -0.42, 0.15), (0.10, 0.15, 0.22), 12, 2, 0.2),
    ]


def _vessels(place: _Place) -> list[Organ]:
    """Aorta, inferior vena cava, superior mesenteric artery and renal vessels."""
    rng, unit = place.rng, place.unit
    aorta_hu = rng.uniform(260, 340)
    radius = 0.055 * unit[0] + 1.0
    aorta = np.array([0.06 * unit[0], 0.115 * unit[1] - 0.9 * radius, 0])
    cava = np.array([-0.16 * unit[0], 0.10 * unit[1] - 0.6 * radius, 0])
    mesenteric = aorta + np.array([0, -2.3 * radius, -0.4 * unit[2]])
    # Above the renal veins bright blood enters the vena cava.
    above, upper = rng.uniform(120, 170), cava + np.array([0, 0, 3 * unit[2]])
    organs = [
        Organ(_tube(cava, (1.35, 0.95), radius), hu=rng.uniform(60, 95)),
        Organ(_tube(upper, (1.35, 0.95), radius, 3.1 * unit[2]), hu=above),
        Organ(_tube(aorta, (1.0, 1.0), radius), hu=aorta_hu),
        Organ(_tube(mesenteric, (0.4, 0.4), radius, unit[2]), hu=0.9 * aorta_hu),
    ]
    for side in (-1, 1):
        hilum = np.array([side * 0.36 * unit[0], 0.14 * unit[1], 0.0])
        organs.append(Organ(_strand(cava, hilum, 0.55 * radius), hu=above))
        artery = hilum + np.array([0, 0.03 * unit[1], 0.06 * unit[2]])
        start = aorta + np.array([0, 0, 0.06 * unit[2]])
        organs.append(Organ(_strand(start, artery, 0.33 * radius), hu=0.9 * aorta_hu))
    return organs


def _tube(
    centre_mm: Array,
    shape: tuple[float, float],
    radius_mm: float,
    half_length_mm: float = 2000.0,
) -> Blob:
    """A vessel along z, by default longer than any volume."""
    axes = np.array([shape[0] * radius_mm, shape[1] * radius_mm, half_length_mm])
    return Blob(centre_mm, axes, np.eye(3))


def _strand(start_mm: Array, end_mm: Array, radius_mm: float) -> Blob:
    """A short vessel between two points of nearly the same height."""
    along = np.asarray(end_mm) - start_mm
    about_z = float(np.arctan2(along[1], along[0]))
    half = float(np.linalg.norm(along)) / 2
    return Blob(
        centre_mm=(np.asarray(end_mm) + start_mm) / 2,
        axes_mm=np.array([half, radius_mm, radius_mm]),
        rotation=rotation_matrix(about_x=0, about_y=0, about_z=about_z),
    )
