"""What structures are called in other programs: codes of DICOM, colours of 3D Slicer.

Codes are SNOMED CT's (scheme ``SCT``). Their meanings are the strings of 3D Slicer's
lists, by which it finds an entry again; DICOM-SEG has one of its own.
"""

from dataclasses import dataclass, replace

from deeprac.surgery.anatomy import BodySide, Kind, Structure

SLICER_TYPES = "Segmentation category and type - DICOM master list"
SLICER_REGIONS = "Anatomic codes - DICOM master list"
"""Names of 3D Slicer's lists."""


@dataclass(frozen=True)
class Code:
    """A code of SNOMED CT and its meaning."""

    value: str
    meaning: str


@dataclass(frozen=True)
class Terms:
    """What a structure is, and where.

    Attributes:
        category: kind of property.
        type: what it is; ``type_side`` its side, of an organ.
        region: where it is, unless it is itself a region; ``region_side`` its side.
        colour: red, green and blue, 0 to 255.
    """

    category: Code
    type: Code
    colour: tuple[int, int, int]
    region: Code | None = None
    type_side: Code | None = None
    region_side: Code | None = None

    @property
    def slicer_tag(self) -> str:
        """The entry as 3D Slicer writes it into the tags of a segment."""
        types = (self.category, self.type, self.type_side)
        regions = (self.region, self.region_side)
        fields = (
            SLICER_TYPES,
            *map(_slicer_code, types),
            SLICER_REGIONS,
            *map(_slicer_code, regions),
        )
        return f"TerminologyEntry:{'~'.join(fields)}"


ORGAN = Code("123037004", "Anatomical Structure")
ALTERED = Code("49755003", "Morphologically Altered Structure")
ABNORMAL = Code("49755003", "Morphologically Abnormal Structure")
"""``ALTERED`` as DICOM calls it."""
KIDNEY = Code("64033007", "Kidney")

SIDES = {
    BodySide.LEFT: Code("7771000", "Left"),
    BodySide.RIGHT: Code("24028007", "Right"),
    BodySide.UNKNOWN: None,
}

_TERMS = {
    Kind.KIDNEY: Terms(ORGAN, KIDNEY, (185, 102, 83)),
    # No histology: a mask does not tell it. The colour is that of a mass.
    Kind.TUMOUR: Terms(
        ALTERED, Code("108369006", "Neoplasm"), (144, 238, 144), region=KIDNEY
    ),
    Kind.CYST: Terms(
        ALTERED, Code("367643001", "Cyst"), (205, 205, 100), region=KIDNEY
    ),
}


def terms(structure: Structure) -> Terms:
    """Codes and colour of a structure.

    Example:
        >>> left = terms(Structure(1, Kind.KIDNEY, BodySide.LEFT))
        >>> left.type.meaning, left.type_side.meaning, left.colour
        ('Kidney', 'Left', (185, 102, 83))
    """
    of_kind, side = _TERMS[structure.kind], SIDES[structure.side]
    if of_kind.region is None:
        return replace(of_kind, type_side=side)
    return replace(of_kind, region_side=side)


def title(structure: Structure) -> str:
    """A structure's name for people.

    Example:
        >>> title(Structure(1, Kind.KIDNEY, BodySide.LEFT))
        'Left kidney'
        >>> title(Structure(3, Kind.TUMOUR, BodySide.RIGHT, 1))
        'Tumour 1 (right)'
        >>> title(Structure(1, Kind.KIDNEY, BodySide.UNKNOWN))
        'Kidney (side unknown)'
    """
    if structure.kind is Kind.CYST:
        return "Cysts"
    known = structure.side is not BodySide.UNKNOWN
    if structure.kind is Kind.KIDNEY and known:
        return f"{structure.side} kidney".capitalize()
    name = structure.name.replace("_", " ").capitalize()
    return f"{name} ({structure.side if known else 'side unknown'})"


def _slicer_code(code: Code | None) -> str:
    return "^^" if code is None else f"SCT^{code.value}^{code.meaning}"
