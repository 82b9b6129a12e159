"""What grows in a kidney at an age, and how large it is.

Children have Wilms-like tumours and adults renal cell carcinomas. Of all malignant
tumours of the kidney between 11 and 20 years 51 % are renal cell carcinomas, at a mean
of 16.7 years, and 30 % are Wilms tumours, at 13.9 (Grabowski et al., J Pediatr Surg
44:1148-1151, 2009). Here the one becomes the other between 16 and 18 years: the share
of carcinomas rises evenly from none to all.
"""

from dataclasses import dataclass

import numpy as np

from deeprac.cohort.phantom.published import RENAL_CELL_MM, WILMS_ML, LogNormal
from deeprac.settings.cohort import ADULT_YEARS, CHILD_YEARS, Stage

_MIXED_SHARE, _SHARE = 0.24, 0.4
"""Largest tumour, as a share of the room around the kidneys: mixed stages; others."""

_KEPT = 0.85
"""Share of a large Wilms tumour's ellipsoid that the wall of the cavity leaves."""


@dataclass(frozen=True)
class Disease:
    """What the tumours of one kind have in common.

    Attributes:
        axes_spread: standard deviation of the logarithm of an ellipsoid's axes.
        uneven: of the surface, as a share of the mean axis.
        depth: least and largest distance of the place where a tumour starts from the
            kidney's centre, as a share of that of the capsule.
        solid_hu: least and largest value of solid tissue in early arterial contrast.
        least_ml: volume of the smallest.
    """

    axes_spread: float
    uneven: float
    depth: tuple[float, float]
    solid_hu: tuple[float, float]
    least_ml: float


WILMS = Disease(
    axes_spread=0.12,
    uneven=0.045,
    depth=(0.75, 1.05),
    solid_hu=(48, 78),
    least_ml=8.0,
)

RENAL_CELL = Disease(
    axes_spread=0.05,
    uneven=0.025,
    depth=(0.9, 1.1),
    # From papillary to clear cell in the corticomedullary phase (Young et al.,
    # Radiology 267:444-453, 2013: means of 54 and 125 HU).
    solid_hu=(54, 125),
    least_ml=1.0,
)
"""Rounder than Wilms tumours, and more of it lies outside the kidney."""


def draw_disease(rng: np.random.Generator, age_years: float) -> Disease:
    """Draw what a patient of an age has; up to 16 years nothing is drawn."""
    share = np.interp(age_years, (CHILD_YEARS, ADULT_YEARS), (0, 1))
    return RENAL_CELL if share and rng.uniform() < share else WILMS


def draw_volume_ml(
    rng: np.random.Generator, disease: Disease, *, room_ml: float, stage: Stage
) -> float:
    """Draw a tumour volume: log-normal, up to what the body can hold.

    Args:
        rng: draws.
        disease: of the patient.
        room_ml: volume of the cavity around the kidneys.
        stage: of children; mixed ones are as large as the body, not as published.
    """
    largest = (_MIXED_SHARE if _is_mixed(disease, stage) else _SHARE) * room_ml
    drawn = _volumes_ml(disease, stage, largest).draw(rng)
    # Reflect instead of clip, so that no volume is drawn twice.
    if drawn > largest:
        drawn = largest * (largest / drawn) ** 0.5
    return max(drawn, disease.least_ml * (1 + 0.5 * float(rng.uniform())))


def _is_mixed(disease: Disease, stage: Stage) -> bool:
    return disease is WILMS and stage == "mixed"


def _volumes_ml(disease: Disease, stage: Stage, largest_ml: float) -> LogNormal:
    if _is_mixed(disease, stage):
        return LogNormal(0.32 * largest_ml, 0.85)
    if disease is WILMS:
        seen_ml = WILMS_ML[stage].log_normal()
        return LogNormal(seen_ml.median / _KEPT, seen_ml.spread)
    diameter_mm = RENAL_CELL_MM.log_normal()
    # The volume of a ball: its logarithm spreads three times as far.
    return LogNormal(np.pi / 6000 * diameter_mm.median**3, 3 * diameter_mm.spread)
