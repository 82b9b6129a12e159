"""How large healthy kidneys are at an age.

Lengths follow Rosenbaum, Korngold and Teele, "Sonographic assessment of renal length in
normal children", AJR 142:467-469 (1984): 4.98 + 0.155 * months (cm) in the first year
and 6.79 + 0.22 * years (cm) after it.
"""

import math

GROWN_YEARS = 18.0
"""Kidneys keep the length that they have at this age."""

WIDTH_PER_LENGTH = 0.45
"""Width and depth of a healthy kidney as a share of its length: a round number."""


def kidney_length_mm(age_years: float) -> float:
    """Mean kidney length in mm at an age in years (Rosenbaum 1984).

    Example:
        >>> round(kidney_length_mm(10.0), 1)
        89.9
    """
    older = 6.79 + 0.22 * min(age_years, GROWN_YEARS)
    # The two published lines do not meet at one year; the smaller one is kept so that
    # a kidney never shrinks on its first birthday.
    return 10 * (min(4.98 + 0.155 * 12 * age_years, older) if age_years < 1 else older)


def kidney_volume_ml(age_years: float) -> float:
    """Volume of an ellipsoid of the mean length, about that of one healthy kidney.

    Example:
        >>> round(kidney_volume_ml(10.0))
        77
    """
    return math.pi / 6 * WIDTH_PER_LENGTH**2 * (kidney_length_mm(age_years) / 10) ** 3
