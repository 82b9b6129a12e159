"""Settings of a cohort: where its cases come from, what values and labels mean."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from deeprac.errors import ConfigError
from deeprac.labels import (
    DEFAULT_NUMBERS,
    KIDNEY_AND_TUMOUR,
    CohortLabels,
    plain_name,
)
from deeprac.settings import require_order

Stage = Literal["mixed", "diagnosis", "after_chemotherapy"]
"""When a child with a Wilms tumour is scanned, which decides how large that is."""

CHILD_YEARS, ADULT_YEARS = 16.0, 18.0
"""Up to the one all phantoms are children, from the other on all are adults."""

SCENES: dict[str, dict[str, Any]] = {
    "arms_down": {"arms": "down"},
    "cushion": {"cushion": True},
}
"""What ``stress.scenes`` changes about phantoms, by name."""


@dataclass(frozen=True)
class PhantomConfig:
    """Size and variety of a generated phantom cohort."""

    cases: int
    test_cases: int
    matrix: int
    slice_spacing_mm: tuple[float, float]
    bilateral_share: float
    seed: int
    arms: Literal["up", "down"]
    cushion: bool
    stage: Stage
    ages: tuple[float, float] | None
    truncation: float

    def __post_init__(self) -> None:
        key = "cohort.phantom.slice_spacing_mm"
        require_order(key, self.slice_spacing_mm, "smaller distance")
        if self.ages is None:
            return
        require_order("cohort.phantom.ages", self.ages, "youngest")
        if self.stage != "mixed" and self.ages[0] >= ADULT_YEARS:
            raise ConfigError(
                f"cohort.phantom.stage is {self.stage}: only children's tumours have "
                f"stages, not those of patients from {ADULT_YEARS:g} years on, and "
                f"cohort.phantom.ages begins at {self.ages[0]:g}. Leave stage out."
            )

    def in_scene(self, scene: str) -> "PhantomConfig":
        """The same children and scans in one of ``SCENES``."""
        return replace(self, **SCENES[scene])


@dataclass(frozen=True)
class FetchConfig:
    """Where ``deeprac cohort fetch`` gets a public cohort, and how much of it."""

    source: str
    licence: str | None
    mirror: str | None
    parallel: int
    cases: int | tuple[str, ...] | None

    def __post_init__(self) -> None:
        if self.mirror and not self.mirror.startswith(("http://", "https://")):
            raise ConfigError(
                f"cohort.fetch.mirror is {self.mirror!r}: it must begin with http:// "
                "or https://. Files on a disk need no fetching: set cohort.path."
            )


@dataclass(frozen=True)
class KitsConfig:
    """Which of a case's labels is taken."""

    annotation: str | int


@dataclass(frozen=True)
class DicomConfig:
    """Which DICOM series and which of its segmentations make a case."""

    slice_spacing_mm: tuple[float, float]
    prefer: str
    description: str | None
    segmentations: str

    def __post_init__(self) -> None:
        key = "cohort.dicom.slice_spacing_mm"
        require_order(key, self.slice_spacing_mm, "smaller distance")
        try:
            re.compile(self.description or "")
        except re.error as error:
            raise ConfigError(
                f"cohort.dicom.description is no regular expression ({error}). "
                "Correct it."
            ) from error


@dataclass(frozen=True)
class CohortConfig:
    """Where the cases come from and what their values and labels mean."""

    name: str
    format: str
    path: Path | None
    patients: Path | None
    label_numbers: dict[str, int] | None
    labels: dict[str, tuple[str, ...]]
    pseudonyms: bool
    private: Path
    intensity: str
    air: float
    kits: KitsConfig
    dicom: DicomConfig
    phantom: PhantomConfig
    fetch: FetchConfig

    def __post_init__(self) -> None:
        if self.name == "released":
            raise ConfigError(
                "cohort.name is released: that folder of the results is for released "
                "results. Choose another name for the cohort."
            )
        if not self.is_phantom and self.path is None:
            raise ConfigError(
                f"cohort.path is missing: format {self.format!r} reads a folder. "
                "Set cohort.path to it."
            )
        self._check_numbers()
        self._check_names()

    @property
    def is_phantom(self) -> bool:
        """Whether the cases are generated: they alone have a true transform."""
        return self.format == "phantom"

    @property
    def has_test_cases(self) -> bool:
        """Whether there are cases outside of the folds, on which methods are judged."""
        return self.is_phantom and self.phantom.test_cases > 0

    @property
    def source_path(self) -> Path:
        """``path``, which every format but the phantom has."""
        return Path(self.path or "")

    def _check_numbers(self) -> None:
        if len(self.number_names) < len(self.label_numbers or DEFAULT_NUMBERS):
            raise ConfigError(
                f"cohort.label_numbers is {self.label_numbers}: two names have one "
                "number. Give each number one name."
            )
        named = self.format in ("phantom", "kits", "totalsegmentator")
        if named and self.label_numbers not in (None, DEFAULT_NUMBERS):
            raise ConfigError(
                f"cohort.label_numbers is {self.label_numbers}, but format "
                f"{self.format!r} says itself what its labels show. Leave it out."
            )

    def _check_names(self) -> None:
        titles: dict[str, str] = {}
        for title, names in self.labels.items():
            for name in names:
                first = titles.setdefault(plain_name(name), title)
                if first != title:
                    raise ConfigError(
                        f"cohort.labels: {name!r} is named under {first} and {title} "
                        "(case, _ and - make no difference). Name it once."
                    )
        sides = {bool(self.labels.get(f"kidney_{side}")) for side in ("left", "right")}
        if sides != {not self.labels.get("kidney")}:
            raise ConfigError(
                "cohort.labels names either kidney, or kidney_left and kidney_right. "
                "Give names to the one or to the other two, and [] to the rest."
            )
        if self.is_phantom and self.kept_labels != KIDNEY_AND_TUMOUR:
            raise ConfigError(
                "cohort.labels asks for cysts or for kidneys left and right: a phantom "
                "has neither. Leave these names out."
            )

    @property
    def kept_labels(self) -> CohortLabels:
        """The labels of the cohort's label maps."""
        return CohortLabels.named(self.labels)

    @property
    def number_names(self) -> dict[int, str]:
        """Names of the numbers in label maps that come without names."""
        numbers = self.label_numbers or DEFAULT_NUMBERS
        return {number: name for name, number in numbers.items()}
