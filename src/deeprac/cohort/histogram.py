"""The histogram of a volume: one pass, one slice at a time."""

from dataclasses import dataclass

import numpy as np

FIRST, LAST = -33000, 66000
"""Values with a bin of their own: all of int16 and of uint16; others fall into the
outermost bins."""

_SMOOTH = 15
"""Width of the running mean in which peaks are looked for."""


@dataclass(frozen=True)
class Histogram:
    """How often every value occurs, rounded to whole numbers.

    ``counts[i]`` belongs to the value ``FIRST + i``; ``lowest`` and ``highest`` are
    exact. Of a volume with NaN or infinite values only ``finite`` is valid.
    """

    counts: np.ndarray
    lowest: float
    highest: float
    finite: bool
    whole: bool
    """Whether all values are whole numbers."""

    @classmethod
    def of(cls, values: np.ndarray) -> "Histogram":
        """Count a volume [z, y, x] of any number type."""
        counts = np.zeros(LAST - FIRST + 1, np.int64)
        lowest, highest, finite, whole = np.inf, -np.inf, True, True
        for one in values:
            if np.issubdtype(values.dtype, np.floating):
                finite = finite and bool(np.isfinite(one).all())
                if not finite:
                    break
                rounded = np.rint(one)
                whole = whole and bool(np.array_equal(rounded, one))
            else:
                rounded = one
            lowest = min(lowest, float(one.min()))
            highest = max(highest, float(one.max()))
            bins = np.clip(rounded, FIRST, LAST).astype(np.intp) - FIRST
            counts += np.bincount(bins.ravel(), minlength=len(counts))
        return cls(counts, lowest, highest, finite, whole)

    @property
    def voxels(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    def share(self, low: float, high: float) -> float:
        """Share of the voxels from ``low`` to below ``high``, whole numbers."""
        return self.number(low, high) / max(self.voxels, 1)

    def number(self, low: float, high: float) -> int:
        """Number of voxels from ``low`` to below ``high``, whole numbers."""
        return int(self.counts[_bins(low, high)].sum())

    def commonest(self, low: float, high: float) -> int:
        """The single value from ``low`` to below ``high`` that occurs most often."""
        return max(int(low), FIRST) + int(np.argmax(self.counts[_bins(low, high)]))

    def peak(self, low: int, high: int) -> int:
        """Where the smoothed histogram from ``low`` to below ``high`` is highest.

        At an end of the range there need not be a peak: the caller compares with it.
        """
        half = _SMOOTH // 2
        wide = self.counts[_bins(low - half, high + half)]
        return low + int(np.argmax(np.convolve(wide, np.ones(_SMOOTH), "valid")))


def _bins(low: float, high: float) -> slice:
    return slice(max(int(low) - FIRST, 0), max(int(high) - FIRST, 0))
