"""Volume of a mask and its error."""

from dataclasses import dataclass

NAN = float("nan")


@dataclass(frozen=True)
class Volumes:
    """Predicted and true volume of a region in ml (1 ml = 1000 mm^3)."""

    predicted_ml: float
    reference_ml: float

    @property
    def error_ml(self) -> float:
        """Prediction minus reference: negative where too little was found."""
        return self.predicted_ml - self.reference_ml

    @property
    def error_percent(self) -> float:
        """The error in percent of the reference; NaN without reference."""
        if not self.reference_ml:
            return NAN
        return 100 * self.error_ml / self.reference_ml


def volume_ml(voxels: int, spacing_mm: tuple[float, float, float]) -> float:
    """Number of voxels times the volume of a voxel.

    Args:
        voxels: Number of voxels.
        spacing_mm: Voxel spacing; the order of the axes does not matter.

    Returns:
        Volume in ml.

    Example:
        >>> volume_ml(1000, spacing_mm=(1.0, 0.5, 2.0))
        1.0
    """
    a, b, c = spacing_mm
    return voxels * a * b * c / 1000
