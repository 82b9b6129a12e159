"""The label numbers of every label map in the workflow."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from enum import IntEnum


class Label(IntEnum):
    """Label numbers of a canonical label map."""

    BACKGROUND = 0
    """Everything that is neither kidney nor tumour."""
    KIDNEY = 1
    """Kidney parenchyma, left and right."""
    TUMOUR = 2
    """Renal tumour; takes precedence over kidney."""

    @property
    def title(self) -> str:
        """Name in lower case, as written in tables and ``dataset.json``."""
        return self.name.lower()


LABEL_NUMBERS: dict[str, int] = {label.title: label.value for label in Label}
"""Numbers by title, as nnU-Net's ``dataset.json`` lists them."""

FOREGROUND: tuple[Label, ...] = (Label.KIDNEY, Label.TUMOUR)
"""The labels that are evaluated, in the order of the paper's tables."""

CYST = 3
"""KiTS's number of renal cysts: scored where a cohort lists them."""

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
    source_format: str, given: Mapping[str, Sequence[str] | None]
) -> dict[str, tuple[str, ...]]:
    """The source's names by title: what the user gave, else the format's own.

    A default never contradicts what was given: names given elsewhere are left out, and
    kidneys kept left and right leave no plain kidney.

    Args:
        source_format: ``cohort.format``.
        given: ``cohort.labels``; a title that is null or missing takes the default.

    Example:
        >>> source_names("kits", {"cyst": ["cyst"]})["kidney"]
        ('kidney',)
    """
    used = {plain_name(name) for names in given.values() for name in names or ()}
    sides = bool(given.get("kidney_left") or given.get("kidney_right"))
    default = DEFAULT_NAMES[source_format] | ({"kidney": ()} if sides else {})

    def names(title: str) -> tuple[str, ...]:
        if (own := given.get(title)) is not None:
            return tuple(own)
        usual = default.get(title, ())
        return tuple(name for name in usual if plain_name(name) not in used)

    return {title: names(title) for title in TITLES}


def cohort_numbers(names: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """Numbers of a cohort's labels by title, as its ``dataset.json`` lists them.

    Args:
        names: ``cohort.labels``: the source's names by title; titles without names are
            not part of the cohort.

    Returns:
        background 0, kidney (or kidney_left) 1, tumour 2, then cyst and kidney_right
        where they are kept, without a gap, as nnU-Net wants it.

    Example:
        >>> cohort_numbers({"kidney": ("kidney",), "tumour": ("mass",)})
        {'background': 0, 'kidney': 1, 'tumour': 2}
    """
    first = "kidney_left" if names.get("kidney_left") else "kidney"
    kept = [title for title in ("cyst", "kidney_right") if names.get(title)]
    titles = ["background", first, "tumour", *kept]
    return {title: number for number, title in enumerate(titles)}
