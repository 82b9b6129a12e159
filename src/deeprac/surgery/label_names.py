"""What names of segments mean: our own, those of other programs, those typed by hand.

Compared as in cohorts, without case and with ``_`` and ``-`` as spaces. A number at the
end counts instances: ``tumour_2`` is tumour.
"""

import re
from collections.abc import Iterable

from deeprac.labels import plain_name

_TUMOURS = ("tumour", "tumor", "mass", "neoplasm", "lesion", "nephroblastoma")
_SIDES = ("left", "right")

NAMES: dict[str, frozenset[str]] = {
    "kidney": frozenset({"kidney", "kidneys"}),
    **{
        f"kidney_{side}": frozenset(
            {
                *(f"kidney {side}", f"{side} kidney"),
                *(f"kidney {side[0]}", f"{side[0]} kidney"),
            }
        )
        for side in _SIDES
    },
    "tumour": frozenset(
        name.strip()
        for word in _TUMOURS
        for organ in ("", "renal ", "kidney ", "wilms ")
        for name in (organ + word, *(f"{organ}{word} {side}" for side in _SIDES))
    ),
    "cyst": frozenset(
        {
            *("cyst", "cysts", "renal cyst", "kidney cyst"),
            *(f"kidney cyst {side}" for side in _SIDES),
        }
    ),
    "background": frozenset({"background"}),
}
"""Plain names by the title that they mean; see ``deeprac.labels.TITLES``."""

_TITLE_OF = {name: title for title, names in NAMES.items() for name in names}


def title_of(name: str) -> str | None:
    """What a segment's name means; None: it is not known.

    Example:
        >>> title_of("Kidney_Left"), title_of("tumour_2"), title_of("liver")
        ('kidney_left', 'tumour', None)
    """
    return _TITLE_OF.get(re.sub(r" \d+$", "", plain_name(name)))


def by_title(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Known names by title, as ``label_map.merge`` wants them.

    Sides are kept where every kidney has one, else all kidneys are taken together:
    their place tells the side. Names that mean nothing are left out.

    Example:
        >>> by_title(["left kidney", "kidney", "tumor"])
        {'kidney': ('left kidney', 'kidney'), 'tumour': ('tumor',)}
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(names):
        if title := title_of(name):
            wanted[title] = (*wanted.get(title, ()), name)
    kidneys = [title for title in wanted if title.startswith("kidney")]
    if "kidney" in kidneys:
        united = tuple(name for title in kidneys for name in wanted.pop(title))
        return {"kidney": united} | wanted
    if kidneys:
        # A cohort with sides has both, whichever is there.
        sides = {f"kidney_{side}": (f"kidney {side}",) for side in _SIDES}
        return sides | wanted
    return {"kidney": ("kidney",)} | wanted
