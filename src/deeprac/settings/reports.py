"""Settings of what is measured and shown: stress, statistics, figures, page."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from deeprac.errors import ConfigError
from deeprac.settings import require_order
from deeprac.settings.claims import Claim
from deeprac.settings.cohort import CohortConfig

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


def impossible_scenes(scenes: Iterable[str], cohort: CohortConfig) -> list[str]:
    """Only phantoms can be scanned again, and only otherwise than they were."""
    if scenes and not cohort.is_phantom:
        return [
            f"stress.scenes is {', '.join(scenes)}: only phantoms can be scanned "
            f"again; cohort.format is {cohort.format}. Set it to []"
        ]
    phantom = cohort.phantom
    same = [scene for scene in scenes if phantom.in_scene(scene) == phantom]
    if not same:
        return []
    return [
        f"stress.scenes: {', '.join(same)} is what cohort.phantom has already, so "
        "that nothing would change. Leave it out"
    ]


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
    age_groups: tuple[float, ...]
    comparisons: tuple[Comparison, ...]

    def __post_init__(self) -> None:
        for pair in pairwise(self.age_groups):
            key = "statistics.age_groups"
            require_order(key, pair, "younger age", equal=False)
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
