"""Structures of 200 label maps whose truth is known, and of hand-made ones."""

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.grid import Grid
from deeprac.labels import CohortLabels
from deeprac.surgery.anatomy import BodySide, Kind
from deeprac.surgery.structures import anatomy_of
from deeprac.surgery.tumours import InstanceRule
from support.kidney_phantoms import (
    FIRST_TUMOUR,
    KINDS,
    WITHOUT_SIDES,
    draw,
)
from support.studies import ORIENTATIONS

SIDED = CohortLabels(sides=True)
SPACING_XYZ_MM = (0.9, 1.1, 3.0)


def image(array, spacing=SPACING_XYZ_MM):
    volume = sitk.GetImageFromArray(array.astype(np.uint8))
    volume.SetSpacing(spacing)
    volume.SetOrigin((-100.0, 20.0, 7.0))
    return volume


def two_kidneys():
    """[z, y, x]: right kidney at small x, left one at large x, tumour on the left."""
    array = np.zeros((12, 30, 60), np.uint8)
    array[2:10, 8:16, 5:14] = 1
    array[2:10, 8:16, 40:50] = 1
    array[4:8, 10:20, 46:56] = 2
    return array


def expected(phantom):
    """The truth with the numbers that the structures have."""
    truth = sitk.GetArrayFromImage(sitk.DICOMOrient(phantom.truth, "LPS"))
    kidneys = 1 if phantom.kind in WITHOUT_SIDES else 2
    return np.where(truth >= FIRST_TUMOUR, truth - FIRST_TUMOUR + 1 + kidneys, truth)


def agrees(phantom):
    anatomy, flags = anatomy_of(phantom.label, CohortLabels())
    codes = {flag.code for flag in flags}
    unknown = phantom.kind in WITHOUT_SIDES
    sides = [str(one.side) for one in anatomy.of_kind(Kind.TUMOUR)]
    return (
        np.array_equal(anatomy.numbers, expected(phantom))
        and sides == phantom.tumour_sides
        and ("side_unknown" in codes) == unknown
        and ("kidney_parts" in codes) == (phantom.kind == "split")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_one_phantom_of_each_kind(kind):
    assert agrees(draw(7, kind))


@pytest.mark.long
def test_sides_and_instances_of_200_phantoms():
    wrong = [seed for seed in range(200) if not agrees(draw(seed))]
    assert wrong == []


def test_numbers_names_and_sides_by_hand():
    anatomy, flags = anatomy_of(image(two_kidneys()), CohortLabels())
    assert [one.name for one in anatomy.structures] == [
        "kidney_left", "kidney_right", "tumour_1",
    ]  # fmt: skip
    assert anatomy.structures[2].side is BodySide.LEFT
    assert flags == ()
    # 8 slices of 8 x 9 pixels are the right kidney; a voxel has 0.9 * 1.1 * 3 mm3.
    assert anatomy.volume_ml(anatomy.structures[1]) == pytest.approx(
        8 * 8 * 9 * 0.9 * 1.1 * 3 / 1000
    )


def test_the_grid_keeps_its_tilt_and_its_place():
    label = sitk.DICOMOrient(image(two_kidneys()), "RSA")
    turn = sitk.Euler3DTransform((0, 0, 0), 0.1, 0.05, -0.2)
    tilted = np.reshape(turn.GetMatrix(), (3, 3)) @ np.reshape(
        label.GetDirection(), (3, 3)
    )
    label.SetDirection(tilted.ravel().tolist())
    anatomy, _ = anatomy_of(label, CohortLabels())
    assert anatomy.grid.orientation == "LPS"
    assert not np.allclose(np.abs(anatomy.grid.axes), np.eye(3), atol=0.01)
    found = np.argwhere(anatomy.numbers == 3)[:, ::-1]
    matrix = anatomy.grid.lps_from_voxel_mm
    points = found @ matrix[:, :3].T + matrix[:, 3]
    source = np.argwhere(sitk.GetArrayFromImage(label) == 2)[:, ::-1]
    places = [label.TransformIndexToPhysicalPoint(i.tolist()) for i in source]
    np.testing.assert_allclose(sorted(points.tolist()), sorted(places), atol=1e-6)


def test_sides_follow_the_patient_not_the_file():
    """A grid turned upside down: the first column is the patient's left."""
    flipped = image(two_kidneys())
    flipped.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    anatomy, _ = anatomy_of(flipped, CohortLabels())
    assert anatomy.structures[2].side is BodySide.RIGHT


def test_the_input_stays_as_it_is():
    label = image(two_kidneys())
    before = sitk.GetArrayFromImage(label)
    anatomy_of(label, CohortLabels())
    np.testing.assert_array_equal(sitk.GetArrayFromImage(label), before)


def sided():
    array = two_kidneys()
    array[(array == 1) & (np.arange(60) < 30)] = SIDED.numbers["kidney_right"]
    return array


def test_sides_of_the_model_that_agree():
    _, flags = anatomy_of(image(sided()), SIDED)
    assert flags == ()


def test_sides_of_the_model_that_are_swapped():
    array = sided()
    left, right = SIDED.numbers["kidney_left"], SIDED.numbers["kidney_right"]
    swapped = np.where(array == left, right, np.where(array == right, left, array))
    anatomy, flags = anatomy_of(image(swapped), SIDED)
    # Their place counts; but nobody may use the result without a look.
    assert [str(one.side) for one in anatomy.structures[:2]] == ["left", "right"]
    assert {(flag.code, flag.verdict.value) for flag in flags} == {
        ("sides_disagree", "do not use")
    }


def test_cysts_are_one_structure_after_the_tumours():
    array = two_kidneys()
    array[3:5, 9:11, 7:9] = 3
    anatomy, _ = anatomy_of(image(array), CohortLabels(cysts=True))
    cyst = anatomy.structures[-1]
    assert (cyst.name, cyst.kind, cyst.number) == ("cyst", Kind.CYST, 4)
    assert np.array_equal(anatomy.mask(cyst), array == 3)


def test_a_speck_in_a_kidney_becomes_kidney_and_one_outside_nothing():
    array = two_kidneys()
    array[5, 12, 8] = 2
    array[10, 25, 30] = 2
    anatomy, flags = anatomy_of(image(array), CohortLabels())
    assert anatomy.numbers[5, 12, 8] == 2
    assert anatomy.numbers[10, 25, 30] == 0
    (flag,) = flags
    assert flag.code == "tumour_specks"
    assert flag.value == pytest.approx(2 * 0.9 * 1.1 * 3 / 1000)


def test_every_part_counts_where_the_rule_says_so():
    array = two_kidneys()
    array[10, 25, 30] = 2
    anatomy, flags = anatomy_of(
        image(array), CohortLabels(), InstanceRule(smallest_ml=0)
    )
    assert [one.name for one in anatomy.of_kind(Kind.TUMOUR)] == [
        "tumour_1", "tumour_2",
    ]  # fmt: skip
    assert flags == ()


def single(kind):
    """One kidney on the left, [z, y, x] in voxels of 2 mm, and what may divide it."""
    z, y, x = np.ogrid[:60, :60, :120]
    array = np.zeros((60, 60, 120), np.uint8)
    wide = 20 if kind == "split" else 12
    array[((z - 30) / 20) ** 2 + ((y - 35) / 14) ** 2 + ((x - 85) / wide) ** 2 <= 1] = 1
    if kind == "spleen":  # 6 % of it, 9 mm to the left
        array[((z - 45) / 6) ** 2 + ((y - 40) / 5) ** 2 + ((x - 108) / 6) ** 2 <= 1] = 1
    elif kind == "sinus":  # unlabelled, 6 mm wide
        array[np.broadcast_to(abs(x - 85 + 0.3 * (z - 30)) < 2, array.shape)] = 0
    else:  # a tumour of 28 mm between a medial and a lateral part
        array[:, :, 78:92] *= 2
    return image(array, (2, 2, 2))


@pytest.mark.parametrize("order", ["LPS", "RAS", "SLA"])
@pytest.mark.parametrize("kind", ["spleen", "sinus", "split"])
def test_a_single_kidney_in_parts_has_no_side(kind, order):
    anatomy, flags = anatomy_of(sitk.DICOMOrient(single(kind), order), CohortLabels())
    assert [str(one.side) for one in anatomy.of_kind(Kind.KIDNEY)] == ["unknown"]
    assert {str(one.side) for one in anatomy.of_kind(Kind.TUMOUR)} <= {"unknown"}
    assert [flag.code for flag in flags] == ["side_unknown"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["spleen", "sinus", "split"])
def test_nor_in_any_of_48_orientations(kind):
    label = single(kind)
    for order in ORIENTATIONS:
        anatomy, _ = anatomy_of(sitk.DICOMOrient(label, order), CohortLabels())
        sides = {str(one.side) for one in anatomy.structures}
        assert sides == {"unknown"}, order


def test_a_tumour_from_one_kidney_to_the_other():
    """Told apart where they lie 40 mm apart, and someone must look."""
    array = two_kidneys()
    array[4:8, 10:14, 14:60] = 2
    unknown, _ = anatomy_of(image(array), CohortLabels())
    assert [str(one.side) for one in unknown.structures] == ["unknown", "unknown"]
    anatomy, flags = anatomy_of(image(array, (1.7, 1.1, 3.0)), CohortLabels())
    assert [one.name for one in anatomy.structures] == [
        "kidney_left", "kidney_right", "tumour_1",
    ]  # fmt: skip
    assert "kidneys_joined" in {flag.code for flag in flags}


def test_nothing_at_all():
    anatomy, flags = anatomy_of(image(np.zeros((3, 4, 5))), CohortLabels())
    assert anatomy.structures == ()
    assert flags == ()


def test_a_tumour_without_kidney_has_no_side():
    array = np.zeros((6, 9, 9))
    array[1:5, 2:8, 2:8] = 2
    anatomy, _ = anatomy_of(image(array), CohortLabels())
    assert [str(one.side) for one in anatomy.structures] == ["unknown"]


@pytest.mark.parametrize("order", ["LPS", "RAS", "PIR"])
def test_a_real_mass_that_displaces_its_kidney(shared_data, order):
    path = shared_data / "real_ct_nnunet" / "labelsTr" / "ircad_07.nii.gz"
    label = sitk.DICOMOrient(sitk.ReadImage(str(path)), order)
    anatomy, flags = anatomy_of(label, CohortLabels())
    left, right, tumour = anatomy.structures
    assert (left.side, right.side, tumour.side) == ("left", "right", "right")
    assert anatomy.volume_ml(tumour) == pytest.approx(668.2, abs=0.1)
    (flag,) = flags
    assert (flag.code, round(flag.value, 2)) == ("tumour_specks", 0.03)
    # Centres along x, as they were measured by another program.
    grid = Grid.of(sitk.DICOMOrient(label, "LPS"))
    for kidney, x_mm in ((left, 275), (right, 129)):
        x = np.nonzero(anatomy.mask(kidney))[2].mean()
        assert x * grid.spacing_xyz_mm[0] == pytest.approx(x_mm, abs=1)
