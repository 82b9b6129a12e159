"""Codes and names, letter by letter as 3D Slicer's lists and DICOM have them."""

import pytest

from deeprac.surgery.anatomy import BodySide, Kind, Structure
from deeprac.surgery.terminology import terms, title
from support.studies import LEFT, TUMOUR

UNKNOWN = BodySide.UNKNOWN


def test_a_kidney_has_its_side_as_modifier_of_its_type():
    assert terms(LEFT).slicer_tag == (
        "TerminologyEntry:Segmentation category and type - DICOM master list"
        "~SCT^123037004^Anatomical Structure~SCT^64033007^Kidney~SCT^7771000^Left"
        "~Anatomic codes - DICOM master list~^^~^^"
    )


def test_a_tumour_has_its_side_as_modifier_of_the_region():
    assert terms(TUMOUR).slicer_tag == (
        "TerminologyEntry:Segmentation category and type - DICOM master list"
        "~SCT^49755003^Morphologically Altered Structure~SCT^108369006^Neoplasm~^^"
        "~Anatomic codes - DICOM master list~SCT^64033007^Kidney~SCT^24028007^Right"
    )


def test_an_unknown_side_is_no_code():
    assert terms(Structure(1, Kind.KIDNEY, UNKNOWN)).type_side is None
    cysts = terms(Structure(4, Kind.CYST, UNKNOWN))
    assert (cysts.type.value, cysts.region_side) == ("367643001", None)


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        (Structure(4, Kind.CYST, UNKNOWN), "Cysts"),
        (Structure(3, Kind.TUMOUR, UNKNOWN, 2), "Tumour 2 (side unknown)"),
        (Structure(3, Kind.TUMOUR, BodySide.LEFT, 1), "Tumour 1 (left)"),
        (Structure(2, Kind.KIDNEY, BodySide.RIGHT), "Right kidney"),
    ],
)
def test_titles(structure, expected):
    assert title(structure) == expected
