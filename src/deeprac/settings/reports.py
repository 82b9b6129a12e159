"""Settings of what is measured and shown: stress, statistics, figures, page."""

from dataclasses import dataclass
from typing import Literal

from deeprac.errors import ConfigError
from deeprac.settings import require_order
from deeprac.settings.claims import Claim

SUPERIORITY, NON_INFERIORITY = "superiority", "non_inferiority"
"""What the test of a planned comparison is of."""


@dataclass(frozen=True)
class StressConfig:
    """How test images are turned, zoomed, moved, cut and drawn anew, and for whom."""

    experiments: tuple[str, ...]
    angles_deg: tuple[float, ...]
    scales: tuple[float, ...]
    shifts: tuple[float, ...]
    truncations: tuple[float, ...]
    scenes: tuple[str, ...]
    cases: int | None


@dataclass(frozen=True)
class Comparison:
    """A planned comparison of two methods; see ``docs/statistics.md``."""

    method: str
    reference: str
    test: str

    def __post_init__(self) -> None:
        if self.method == self.reference:
            raise ConfigError(
                f"statistics.comparisons: {self.method} is compared with itself. Name "
                "another reference."
            )

    def __str__(self) -> str:
        return f"{self.method} against {self.reference}"


@dataclass(frozen=True)
class StatisticsConfig:
    """Conventions, thresholds and comparisons that are fixed before the runs."""

    empty_labels: Literal["nnunet", "kits23"]
    failure_dice: float
    learned_floor: float
    margin: float
    comparisons: tuple[Comparison, ...]

    def __post_init__(self) -> None:
        pairs = [(row.method, row.reference) for row in self.comparisons]
        for row in self.comparisons:
            if pairs.count((row.method, row.reference)) > 1:
                raise ConfigError(
                    f"statistics.comparisons has {row} twice. Keep one test of it."
                )


@dataclass(frozen=True)
class FiguresConfig:
    """Display window and number of patients in the figures."""

    window_hu: tuple[float, float]
    cases: int

    def __post_init__(self) -> None:
        key = "figures.window_hu"
        require_order(key, self.window_hu, "lower limit", equal=False)


@dataclass(frozen=True)
class ReportConfig:
    """What tables and the report page say besides the numbers, and their size."""

    notes: tuple[str, ...]
    allow_missing: bool
    size_mb: float
    pixels: int
    claims: tuple[Claim, ...]
