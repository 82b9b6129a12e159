"""The label numbers of every label map in the workflow."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Label(IntEnum):
    """Label numbers of cohorts that keep no sides of the kidneys.

    Where a cohort keeps the sides, 1 is its ``kidney_left``, not its kidneys: only
    ``CohortLabels.numbers`` and ``CohortLabels.kidney`` have the numbers there.
    Background and tumour have theirs in every cohort.
    """

    BACKGROUND = 0
    """Everything that is neither kidney nor tumour."""
    KIDNEY = 1
    """Kidney parenchyma, left and right united."""
    TUMOUR = 2
    """Renal tumour; takes precedence over kidney."""

    @property
    def title(self) -> str:
        """Name in lower case, as written in tables and ``dataset.json``."""
        return self.name.lower()


FOREGROUND: tuple[Label, ...] = (Label.KIDNEY, Label.TUMOUR)
"""The labels that tables and figures compare, in the order of the paper's tables."""

CYST = 3
"""Renal cysts, as in KiTS, in the cohorts that keep them."""

TITLES = ("background", "kidney", "kidney_left", "kidney_right", "tumour", "cyst")
"""What names of a source can mean in ``cohort.labels``; background is ignored."""

DEFAULT_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "phantom": {"kidney": ("kidney",), "tumour": ("tumour",)},
    "nnunet_raw": {"kidney": ("kidney",), "tumour": ("tumour", "tumor")},
    "msd": {"kidney": ("kidney",), "tumour": ("tumour", "tumor")},
    "kits": {"kidney": ("kidney", "cyst"), "tumour": ("tumor",)},
    "pairs": {"kidney": ("kidney",), "tumour": ("tumour", "tumor")},
    "dicom": {
        "kidney": (
            "kidney", "left kidney", "right kidney", "kidney left", "kidney right",
            "kidney l", "kidney r",
        ),
        "tumour": ("tumour", "tumor", "mass"),
    },
    "totalsegmentator": {
        "kidney": (
            "kidney_left", "kidney_right", "kidney_cyst_left", "kidney_cyst_right",
        ),
        "tumour": ("tumour", "tumor", "kidney_tumour", "kidney_tumor"),
    },
}  # fmt: skip
"""``cohort.labels`` by ``cohort.format``, for the titles that it leaves out."""

DEFAULT_NUMBERS: dict[str, int] = {"kidney": 1, "tumour": 2}
"""``cohort.label_numbers`` where it is null."""


def plain_name(name: str) -> str:
    """A label's name as it is compared: without case, with ``_`` and ``-`` as spaces.

    Example:
        >>> plain_name("Kidney_Left") == plain_name("kidney - left")
        True
    """
    composed = unicodedata.normalize("NFKC", name)
    return " ".join(re.split(r"[\s_-]+", composed.casefold())).strip()


def source_names(
    source_format: str, configured: Mapping[str, Sequence[str] | None]
) -> dict[str, tuple[str, ...]]:
    """The source's names by title: as configured, else the format's own.

    A default never contradicts the configuration: names that it has under another
    title are left out, and so is plain kidney where the sides are kept.

    Args:
        source_format: ``cohort.format``.
        configured: ``cohort.labels``; a title that is null or missing takes the
            default.

    Example:
        >>> source_names("kits", {"cyst": ["cyst"]})["kidney"]
        ('kidney',)
    """
    used = {plain_name(name) for names in configured.values() for name in names or ()}
    sides = bool(configured.get("kidney_left") or configured.get("kidney_right"))
    default = DEFAULT_NAMES[source_format] | ({"kidney": ()} if sides else {})

    def names_of(title: str) -> tuple[str, ...]:
        if (names := configured.get(title)) is not None:
            return tuple(names)
        usual = default.get(title, ())
        return tuple(name for name in usual if plain_name(name) not in used)

    return {title: names_of(title) for title in TITLES}


@dataclass(frozen=True)
class CohortLabels:
    """The labels of one cohort: background, kidney and tumour, and what else it keeps.

    Attributes:
        cysts: Whether cysts are a label of their own.
        sides: Whether the left and the right kidney are a label each.

    Example:
        >>> CohortLabels(sides=True).numbers
        {'background': 0, 'kidney_left': 1, 'tumour': 2, 'kidney_right': 3}
    """

    cysts: bool = False
    sides: bool = False

    @classmethod
    def named(cls, names: Mapping[str, Sequence[str]]) -> "CohortLabels":
        """The labels of a configuration.

        Args:
            names: ``cohort.labels``: the source's names by title; titles without names
                are not part of the cohort, but for kidney and tumour.
        """
        return cls(cysts=bool(names.get("cyst")), sides=bool(names.get("kidney_left")))

    @classmethod
    def listed(cls, dataset: Mapping[str, Any]) -> "CohortLabels":
        """The labels that a ``dataset.json`` lists.

        Args:
            dataset: its content.

        Raises:
            ValueError: it lists other labels, or under other numbers.
        """
        listed = dict(dataset["labels"])
        found = cls(cysts="cyst" in listed, sides="kidney_left" in listed)
        if listed != found.numbers:
            raise ValueError(f"labels are {found.numbers}; got {listed}")
        return found

    @property
    def numbers(self) -> dict[str, int]:
        """Numbers by title as ``dataset.json`` lists them: without gap, for nnU-Net."""
        titles = ["background", "kidney_left" if self.sides else "kidney", "tumour"]
        titles += ["cyst"] * self.cysts + ["kidney_right"] * self.sides
        return {title: number for number, title in enumerate(titles)}

    @property
    def foreground(self) -> dict[str, int]:
        """Numbers by title but for the background, in their order."""
        return {title: n for title, n in self.numbers.items() if n != Label.BACKGROUND}

    @property
    def kidney(self) -> tuple[int, ...]:
        """The numbers of kidney: one, or left and right."""
        return tuple(n for title, n in self.numbers.items() if "kidney" in title)


KIDNEY_AND_TUMOUR = CohortLabels()
"""The labels of most cohorts, the phantoms' among them."""
