"""How a child's abdomen grows: lengths in mm as functions of age.

Kidney length follows Rosenbaum, Korngold and Teele, "Sonographic assessment of renal
length in normal children", AJR 142:467-469 (1984): 4.98 + 0.155 * months (cm) in the
first year and 6.79 + 0.22 * years (cm) after it. The other figures are round numbers
that keep the proportions of a child's abdomen; they claim no more than that.
"""

from dataclasses import dataclass

import numpy as np

REFERENCE_AGE_YEARS = 6.0
"""Age of the child whose body size defines the canonical frame."""

_AGES = (0.0, 1.0, 3.0, 6.0, 10.0, 16.0)
_WIDTH_MM = (118.0, 152.0, 174.0, 198.0, 232.0, 290.0)
_DEPTH_MM = (98.0, 120.0, 130.0, 142.0, 162.0, 198.0)
_VERTEBRA_MM = (11.0, 15.0, 18.5, 22.0, 26.5, 34.0)
_FAT_MM = (4.5, 6.5, 5.5, 6.0, 9.0, 14.0)


def kidney_length_mm(age_years: float) -> float:
    """Mean kidney length in mm at an age in years (Rosenbaum 1984).

    Example:
        >>> round(kidney_length_mm(10.0), 1)
        89.9
    """
    older = 6.79 + 0.22 * age_years
    # The two published lines do not meet at one year; the smaller one is kept so that
    # a kidney never shrinks on its first birthday.
    return 10 * (min(4.98 + 0.155 * 12 * age_years, older) if age_years < 1 else older)


@dataclass(frozen=True)
class Growth:
    """Mean lengths in mm at one age."""

    body_width_mm: float
    body_depth_mm: float
    kidney_length_mm: float
    vertebra_pitch_mm: float
    fat_mm: float

    @property
    def body_size_mm(self) -> float:
        """Geometric mean of width and depth: the size that a similarity can undo."""
        return float(np.sqrt(self.body_width_mm * self.body_depth_mm))


def growth(age_years: float) -> Growth:
    """Mean lengths at an age between 0 and 16 years."""
    width, depth, vertebra, fat = (
        float(np.interp(age_years, _AGES, table))
        for table in (_WIDTH_MM, _DEPTH_MM, _VERTEBRA_MM, _FAT_MM)
    )
    return Growth(width, depth, kidney_length_mm(age_years), vertebra, fat)


REFERENCE_BODY_SIZE_MM = growth(REFERENCE_AGE_YEARS).body_size_mm
"""Body size (mm) that has scale 1 in the canonical frame."""
