"""Published distributions: what phantoms are drawn from, and compared with.

docs/calibration.md puts them beside phantoms.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

_QUARTILES = 25, 75


@dataclass(frozen=True)
class LogNormal:
    """A log-normal distribution; ``spread`` is the logarithm's standard deviation."""

    median: float
    spread: float

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(np.exp(rng.normal(np.log(self.median), self.spread)))

    def quantile(self, percent: float) -> float:
        """The value below which a share of all lies.

        Example:
            >>> round(LogNormal(100.0, 0.5).quantile(84.13))
            165
        """
        return float(self.median * np.exp(self.spread * ndtri(percent / 100)))


@dataclass(frozen=True)
class Published:
    """Quantiles of a quantity, by per cent, of a number of patients (None: unknown)."""

    title: str
    patients: int | None
    quantiles: Mapping[int, float]
    source: str

    def log_normal(self) -> LogNormal:
        """The log-normal distribution of this median and of this ratio of quartiles.

        Example:
            >>> volumes = WILMS_ML["diagnosis"].log_normal()
            >>> volumes.median, round(volumes.spread, 2)
            (540.0, 0.81)
        """
        low, high = (self.quantiles[percent] for percent in _QUARTILES)
        spread = float(np.log(high / low) / (2 * ndtri(0.75)))
        return LogNormal(self.quantiles[50], spread)


FIELD_MM = Published(
    "field of view of children, mm",
    295,
    {5: 200.0, 50: 250.0, 95: 380.0},
    "Pediatric-CT-SEG, The Cancer Imaging Archive, doi 10.7937/TCIA.X0H0-1706",
)

ADULT_FIELD_MM = Published(
    "field of view of adults, mm",
    95,
    {5: 340.0, 25: 366.0, 50: 397.0, 75: 434.0, 95: 500.0},
    "KiTS23, masks of adults (resources/released/kits23_geometry)",
)

AGE_YEARS = Published(
    "age of children, years",
    None,
    {0: 0.0, 50: 6.0, 100: 16.0},
    FIELD_MM.source,
)

WILMS_ML = {
    "diagnosis": Published(
        "Wilms tumour at diagnosis, ml",
        292,
        {25: 283.0, 50: 540.0, 75: 847.0, 90: 1169.0},
        "imaging of children at diagnosis; the trial is not known to us",
    ),
    "after_chemotherapy": Published(
        "Wilms tumour after chemotherapy, ml",
        83,
        {25: 70.0, 50: 160.0, 75: 277.0},
        "imaging of the trial AREN0533, Children's Oncology Group",
    ),
}
"""Volumes by ``phantom.stage``."""

RENAL_CELL_MM = Published(
    "diameter of tumours of adults, mm",
    302,
    {5: 17.0, 25: 24.25, 50: 34.0, 75: 48.0, 95: 93.0},
    "KiTS23, clinical data: radiographic size of adults' tumours of stages pT1 and pT2",
)
