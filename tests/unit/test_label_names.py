import pytest

from deeprac.labels import CohortLabels
from deeprac.surgery.label_names import by_title, title_of


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Kidney Left", "kidney_left"),
        ("kidney_right", "kidney_right"),
        ("L-Kidney", "kidney_left"),
        ("kidneys", "kidney"),
        ("tumour_12", "tumour"),
        ("Renal Tumor 2", "tumour"),
        ("Wilms tumour", "tumour"),
        ("kidney_cyst_left", "cyst"),
        ("background", "background"),
        ("kidney stone", None),
        ("Segment_1", None),
        ("", None),
    ],
)
def test_meaning(name, title):
    assert title_of(name) == title


def test_sides_are_kept_where_all_kidneys_have_one():
    wanted = by_title(["kidney_left", "kidney_right", "tumour_1", "tumour_2"])
    assert CohortLabels.named(wanted) == CohortLabels(sides=True)
    assert wanted["tumour"] == ("tumour_1", "tumour_2")


def test_one_sided_kidney():
    wanted = by_title(["kidney_right", "cyst"])
    assert CohortLabels.named(wanted) == CohortLabels(sides=True, cysts=True)
    assert set(CohortLabels.named(wanted).numbers) - {"background"} <= {
        *wanted,
        "tumour",
    }


def test_plain_kidneys_make_all_plain():
    wanted = by_title(["kidney_left", "kidney", "tumour"])
    assert wanted["kidney"] == ("kidney_left", "kidney")
    assert CohortLabels.named(wanted) == CohortLabels()
