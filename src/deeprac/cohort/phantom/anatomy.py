"""One patient: torso, organs, kidneys and tumours, drawn from a seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deeprac.cohort.phantom.disease import Disease, draw_disease, draw_volume_ml
from deeprac.cohort.phantom.fields import Array, Organ, Points
from deeprac.cohort.phantom.growth import growth
from deeprac.cohort.phantom.kidney import Kidney, draw_kidney
from deeprac.cohort.phantom.torso import Torso, draw_torso
from deeprac.cohort.phantom.tumour import Tumour, draw_tumour
from deeprac.cohort.phantom.viscera import draw_viscera
from deeprac.settings.cohort import Stage

_LEAST_REMNANT = 0.3
"""Share of a kidney that its tumour must leave in sight."""


@dataclass(frozen=True)
class Anatomy:
    """A patient in the patient frame (see ``fields``); all lengths in mm."""

    age_years: float
    torso: Torso
    viscera: list[Organ]
    kidneys: tuple[Kidney, Kidney]
    tumours: tuple[Tumour, ...]

    def undisturbed(self, points: Points) -> Points:
        """Where the soft tissue at the points lay before any tumour grew."""
        for tumour in self.tumours:
            points = tumour.undisturbed(points)
        return points

    def bulged(self, points: Points) -> Points:
        """Where the body wall at the points would lie without tumours."""
        for tumour in self.tumours:
            points = tumour.bulged(points)
        return points

    def z_range_mm(self, margin_mm: float) -> tuple[float, float]:
        """Lowest and highest slice: kidneys and tumours with a margin."""
        parts = [kidney.capsule for kidney in self.kidneys]
        parts += [tumour.shape for tumour in self.tumours]
        low = min(part.centre_mm[2] - part.reach_mm[2] for part in parts)
        high = max(part.centre_mm[2] + part.reach_mm[2] for part in parts)
        return low - margin_mm, high + margin_mm


def draw_anatomy(
    rng: np.random.Generator,
    *,
    age_years: float,
    bilateral: bool,
    stage: Stage = "mixed",
) -> Anatomy:
    """Draw a patient of an age with a tumour in one kidney or in both."""
    size = growth(age_years)
    torso = draw_torso(rng, size)
    # Kidneys follow the body of this patient, not only its age.
    grown = torso.body_size_mm / size.body_size_mm
    length = size.kidney_length_mm * grown**0.5
    kidneys = tuple(draw_kidney(rng, torso, length, side) for side in (-1, 1))
    viscera = draw_viscera(rng, torso, length)
    disease = draw_disease(rng, age_years)
    room = room_ml(torso, length)
    volume = draw_volume_ml(rng, disease, room_ml=room, stage=stage)
    first = int(rng.integers(2))
    tumours = [_draw_fitting(rng, torso, kidneys[first], disease, volume)]
    if bilateral:
        other = volume * rng.uniform(0.1, 0.6)
        tumours.append(_draw_fitting(rng, torso, kidneys[1 - first], disease, other))
    return Anatomy(age_years, torso, viscera, kidneys, tuple(tumours))


def room_ml(torso: Torso, kidney_length_mm: float) -> float:
    """Volume of the cavity around the kidneys, which tumours must share."""
    area = np.pi * 0.86 * torso.half_width_mm * 0.8 * torso.half_depth_mm
    return area * 2.6 * kidney_length_mm / 1000


def _draw_fitting(
    rng: np.random.Generator,
    torso: Torso,
    kidney: Kidney,
    disease: Disease,
    volume_ml: float,
) -> Tumour:
    """Draw tumours, ever smaller, until one leaves enough of its kidney in sight."""
    while True:
        tumour = draw_tumour(rng, torso, kidney, disease, volume_ml)
        if remnant_share(torso, kidney, tumour) >= _LEAST_REMNANT:
            return tumour
        volume_ml *= 0.96


def remnant_share(torso: Torso, kidney: Kidney, tumour: Tumour) -> float:
    """Volume of the kidney beside its tumour, as a share of the healthy kidney."""
    step = float(kidney.capsule.axes_mm[2]) / 9
    reach = tumour.shape.reach_mm + kidney.capsule.reach_mm
    low = np.minimum(tumour.shape.centre_mm, kidney.capsule.centre_mm) - reach
    high = np.maximum(tumour.shape.centre_mm, kidney.capsule.centre_mm) + reach
    points = _grid(low, high, step)
    healthy = kidney.level(points) < 0
    cavity = _cavity_level(torso, tumour, points)
    free = (tumour.level(points, cavity) > 0) & (cavity < 0)
    seen = (kidney.level(tumour.undisturbed(points)) < 0) & free
    return float(np.count_nonzero(seen) / max(1, np.count_nonzero(healthy)))


def seen_volume_ml(torso: Torso, tumour: Tumour) -> float:
    """Volume of a tumour within the cavity, which is what a label map shows."""
    centre, reach = tumour.shape.centre_mm, tumour.shape.reach_mm
    step = float(np.max(reach)) / 10
    points = _grid(centre - reach, centre + reach, step)
    inside = tumour.level(points, _cavity_level(torso, tumour, points)) < 0
    return float(np.count_nonzero(inside) * step**3 / 1000)


def _grid(low_mm: Array, high_mm: Array, step_mm: float) -> Points:
    """Points of a box, equally far apart."""
    grid: Sequence[Array] = np.meshgrid(
        *(
            np.arange(a, b, step_mm, dtype=np.float32)
            for a, b in zip(low_mm, high_mm, strict=True)
        ),
        indexing="ij",
        sparse=True,
    )
    return Points(*grid)


def _cavity_level(torso: Torso, tumour: Tumour, points: Points) -> Array:
    """Signed distance to the inside of the wall that a tumour bulges."""
    # Psoas depends on the height; the middle one stands for all here.
    return torso.cavity_level(tumour.bulged(points)._replace(z=np.float32(0)))
