"""How an abdomen grows: lengths in mm as functions of age.

Kidney length is that of ``deeprac.kidney_size``: 107.5 mm in adults, where CT of 1040
of them shows 108.5 mm right and 111.3 mm left (Glodny et al., BMC Urology 9:19, 2009).
Adults' width and depth have the mean waist of men and women in the USA, 100 cm (Fryar
et al., National Health Statistics Reports 122, 2018), and the proportions and spread of
KiTS19 (docs/calibration.md); they are reached at 30 years. The other figures are round
numbers that keep the proportions of an abdomen; they claim no more than that.
"""

from dataclasses import dataclass

import numpy as np

from deeprac.kidney_size import kidney_length_mm

REFERENCE_AGE_YEARS = 6.0
"""Age of the child whose body size defines the canonical frame."""

_AGES = (0.0, 1.0, 3.0, 6.0, 10.0, 16.0, 30.0)
_WIDTH_MM = (118.0, 152.0, 174.0, 198.0, 232.0, 290.0, 340.0)
_DEPTH_MM = (98.0, 120.0, 130.0, 142.0, 162.0, 198.0, 250.0)
_VERTEBRA_MM = (11.0, 15.0, 18.5, 22.0, 26.5, 34.0, 37.0)
_FAT_MM = (4.5, 6.5, 5.5, 6.0, 9.0, 14.0, 20.0)
_SPREAD = (0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.1)


@dataclass(frozen=True)
class Growth:
    """Mean lengths in mm at one age, and how much bodies of that age differ.

    ``spread`` is the standard deviation of the logarithm of a body's size.
    """

    body_width_mm: float
    body_depth_mm: float
    kidney_length_mm: float
    vertebra_pitch_mm: float
    fat_mm: float
    spread: float

    @property
    def body_size_mm(self) -> float:
        """Geometric mean of width and depth: the size that a similarity can undo."""
        return float(np.sqrt(self.body_width_mm * self.body_depth_mm))


def growth(age_years: float) -> Growth:
    """Mean lengths at an age between 0 and 80 years."""
    width, depth, vertebra, fat, spread = (
        float(np.interp(age_years, _AGES, table))
        for table in (_WIDTH_MM, _DEPTH_MM, _VERTEBRA_MM, _FAT_MM, _SPREAD)
    )
    return Growth(width, depth, kidney_length_mm(age_years), vertebra, fat, spread)


REFERENCE_BODY_SIZE_MM = growth(REFERENCE_AGE_YEARS).body_size_mm
"""Body size (mm) that has scale 1 in the canonical frame."""
