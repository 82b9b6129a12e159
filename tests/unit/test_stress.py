"""Known answers of cases that are turned, zoomed and shifted."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from deeprac.geometry.similarity import similarity
from deeprac.inference.stress import (
    LabelledCase,
    stress_case,
    stressed_from_image,
    visible_shares,
)
from deeprac.inference.stress_fold import score
from deeprac.labels import KIDNEY_AND_TUMOUR, Label
from deeprac.networks.front_end import Supervision
from deeprac.records.stress import (
    Condition,
    Perturbation,
    conditions,
    stressed_cases,
)
from deeprac.settings.reports import StressConfig

AIR = -1000.0
SPACING_MM = (4.0, 0.9, 0.9)
UPRIGHT = Condition(Perturbation.NONE, 0.0)
SIDE = 20


def a_case(height=SIDE, width=SIDE, slices=3):
    """A case without symmetry: noise, and two labels that touch."""
    rng = np.random.default_rng(3)
    image = rng.integers(-200, 200, (slices, height, width)).astype(np.int16)
    labels = np.zeros(image.shape, np.uint8)
    labels[1:, 4:9, 3:8] = Label.KIDNEY
    labels[2, 7:12, 6:9] = Label.TUMOUR
    return LabelledCase(image, labels, SPACING_MM)


def stressed(case, kind, value):
    return stress_case(case, Condition(kind, value), air=AIR)


@pytest.mark.parametrize("condition", [UPRIGHT, Condition(Perturbation.CUSHION, 1.0)])
def test_a_case_that_is_not_moved_is_only_padded(condition):
    case = a_case(height=14)
    shown = stress_case(case, condition, air=AIR)
    assert shown.image.shape == shown.labels.shape == (3, 20, 20)
    assert np.array_equal(shown.image[:, 3:17], case.image)
    assert (shown.image[:, :3] == AIR).all()
    assert np.array_equal(shown.labels[:, 3:17], case.labels)
    assert shown.labels.sum() == case.labels.sum()
    assert shown.visible == {Label.KIDNEY: 1, Label.TUMOUR: 1}


@pytest.mark.parametrize("pixels", [3, -5])
def test_a_whole_shift_is_slicing(pixels):
    case = a_case()
    shown = stressed(case, Perturbation.SHIFT, pixels / SIDE)
    image = np.full(case.image.shape, AIR)
    labels = np.zeros_like(case.labels)
    to = slice(max(pixels, 0), SIDE + min(pixels, 0))
    of = slice(max(-pixels, 0), SIDE + min(-pixels, 0))
    image[:, :, to], labels[:, :, to] = case.image[:, :, of], case.labels[:, :, of]
    np.testing.assert_allclose(shown.image, image, atol=0.05)
    assert np.array_equal(shown.labels, labels)


@pytest.mark.parametrize(("angle_deg", "turns"), [(90, -1), (-90, 1), (180, 2)])
def test_convention_positive_rotations_are_clockwise_on_the_screen(angle_deg, turns):
    case = a_case()
    shown = stressed(case, Perturbation.ROTATION, angle_deg)
    # numpy counts quarter turns from the first axis, down, to the second, right:
    # anticlockwise on the screen.
    np.testing.assert_allclose(
        shown.image, np.rot90(case.image, turns, axes=(1, 2)), atol=0.05
    )
    assert np.array_equal(shown.labels, np.rot90(case.labels, turns, axes=(1, 2)))


def test_convention_a_point_above_the_centre_turns_to_the_right():
    matrix = stressed_from_image(Condition(Perturbation.ROTATION, 90.0))[0]
    above = torch.tensor([0.0, -1.0])
    torch.testing.assert_close(matrix[:, :2] @ above, torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize(("factor", "area"), [(2.0, 4), (0.5, 0.25)])
def test_zoom_changes_lengths_by_its_factor(factor, area):
    image = np.full((1, 64, 64), AIR)
    labels = np.zeros(image.shape, np.uint8)
    labels[:, 24:40, 28:36] = Label.KIDNEY
    image[labels > 0] = 100
    shown = stressed(
        LabelledCase(image, labels, SPACING_MM), Perturbation.SCALE, factor
    )
    _, rows, columns = np.nonzero(shown.labels)
    assert np.ptp(rows) + 1 == 16 * factor
    assert np.ptp(columns) + 1 == 8 * factor
    assert (rows.mean(), columns.mean()) == (31.5, 31.5)
    assert (shown.image > -450).sum() == pytest.approx(128 * area, rel=0.1)


def test_shrinking_does_not_alias():
    board = np.indices((32, 32)).sum(0) % 2 * 1000.0
    case = LabelledCase(board[None], np.zeros((1, 32, 32), np.uint8), SPACING_MM)
    inside = stressed(case, Perturbation.SCALE, 0.5).image[0, 9:23, 9:23]
    np.testing.assert_allclose(inside, 500, atol=1)


def test_the_label_with_the_largest_share_wins_and_background_takes_part():
    labels = np.zeros((1, 8, 8), np.uint8)
    labels[0, :, 0] = Label.KIDNEY
    case = LabelledCase(np.zeros((1, 8, 8)), labels, SPACING_MM)
    # A pixel holds 0.4 of the first column, and 0.6 from outside, where nothing is.
    shown = stressed(case, Perturbation.SHIFT, -0.6 / 8)
    assert not shown.labels.any()
    shown = stressed(case, Perturbation.SHIFT, -0.4 / 8)
    assert np.array_equal(shown.labels, labels)


def test_visible_share_of_a_label_that_leaves_the_picture():
    labels = np.zeros((2, 10, 10), np.uint8)
    labels[0, 4:6, 5:] = Label.KIDNEY  # five columns, up to the edge
    matrix = stressed_from_image(
        Condition(Perturbation.SHIFT, 0.2)
    )  # two of them leave
    shares = visible_shares(labels, matrix)
    assert shares[Label.KIDNEY] == pytest.approx(0.6)
    assert math.isnan(shares[Label.TUMOUR])
    matrix = stressed_from_image(Condition(Perturbation.SCALE, 2.0))
    # Twice as large, 2.5 pixels to each side of the centre stay: columns 5 to 7 lie
    # 0.5 to 2.5 pixels from it.
    assert visible_shares(labels, matrix)[Label.KIDNEY] == pytest.approx(0.6)


def test_neutral_values_are_not_repeated():
    stress = StressConfig((), (-45, 0, 45), (0.5, 1), (0, 0.1), (), ("cushion",), None)
    found = conditions(stress)
    assert found == (
        UPRIGHT,
        Condition(Perturbation.ROTATION, -45.0),
        Condition(Perturbation.ROTATION, 45.0),
        Condition(Perturbation.SCALE, 0.5),
        Condition(Perturbation.SHIFT, 0.1),
        Condition(Perturbation.CUSHION, 1.0),
    )


def test_what_an_oracle_knows_moves_with_the_patient():
    pose = similarity(
        torch.tensor([0.1]), torch.tensor([0.2]), torch.tensor([[0.1, 0]])
    )
    outline = torch.tensor([[[0.3, -0.1], [0.0, 0.5]]])
    known = Supervision(pose.expand(4, 2, 3), outline.expand(4, 2, 2))
    moved = known.moved(stressed_from_image(Condition(Perturbation.ROTATION, 90.0)))
    assert moved.image_from_canonical.shape == (4, 2, 3)
    turned = similarity(
        torch.tensor([0.1]),
        torch.tensor([0.2 + math.pi / 2]),
        torch.tensor([[0.0, 0.1]]),
    )
    torch.testing.assert_close(moved.image_from_canonical[3:], turned)
    expected = torch.tensor([[0.1, 0.3], [-0.5, 0.0]])  # (x, y) becomes (-y, x)
    torch.testing.assert_close(moved.outline[2], expected)


class Threshold:
    """Calls everything above 0 kidney, and remembers what it knew."""

    def __init__(self):
        self.settings = {"air": AIR}
        self.labels = KIDNEY_AND_TUMOUR
        self.oracle_input = None

    def predict(self, image, spacing, oracle_input=None):
        self.oracle_input = oracle_input
        assert spacing == SPACING_MM
        return type("Found", (), {"labels": (image > 0).astype(np.uint8)})()


def test_scores_compare_the_prediction_with_the_changed_labels():
    labels = np.zeros((2, 10, 10), np.uint8)
    labels[0, 4:6, 5:] = Label.KIDNEY
    image = np.where(labels > 0, 100.0, AIR)
    network = Threshold()
    case = LabelledCase(image, labels, SPACING_MM)
    kidney, tumour = score(
        network, case, Condition(Perturbation.SHIFT, 0.2), oracle_input=None
    )
    assert kidney == {
        "label": "kidney",
        "kind": "shift",
        "value": 0.2,
        "dice": 1.0,
        "visible": pytest.approx(0.6),
        "n_slices": 2,
    }
    assert math.isnan(tumour["dice"])
    assert network.oracle_input is None


def test_an_oracle_knows_the_changed_patient():
    network, case = Threshold(), a_case()
    known = Supervision(torch.eye(2, 3).expand(3, 2, 3), torch.zeros(3, 16, 2))
    score(network, case, Condition(Perturbation.SHIFT, 0.1), oracle_input=known)
    expected = torch.tensor([[1.0, 0, 0.2], [0, 1, 0]])
    torch.testing.assert_close(network.oracle_input.image_from_canonical[0], expected)
    torch.testing.assert_close(
        network.oracle_input.outline[0, 0], torch.tensor([0.2, 0.0])
    )


def test_the_first_test_cases_are_put_under_stress_else_held_out_ones():
    stress = StressConfig((), (), (), (), (), (), 2)
    fold = {"train": ["a"], "val": ["b", "c", "d"]}
    assert stressed_cases(fold, stress) == ["b", "c"]
    tested = fold | {"test": ["t", "u", "v"]}
    assert stressed_cases(tested, stress) == ["t", "u"]
    assert stressed_cases(tested, replace(stress, cases=None)) == ["t", "u", "v"]


@pytest.mark.parametrize(("share", "kept"), [(0.5, [0, 1]), (-0.25, [1, 2, 3])])
def test_a_field_of_view_that_ends_early_shows_air_and_no_label(share, kept):
    case = a_case(slices=4)
    shown = stressed(case, Perturbation.TRUNCATION, share)
    cut = [z for z in range(4) if z not in kept]
    assert (shown.image[cut] == AIR).all()
    assert not shown.labels[cut].any()
    np.testing.assert_array_equal(shown.image[kept], case.image[kept])
    np.testing.assert_array_equal(shown.labels[kept], case.labels[kept])
    for label in (Label.KIDNEY, Label.TUMOUR):
        expected = (case.labels[kept] == label).sum() / (case.labels == label).sum()
        assert shown.visible[label] == pytest.approx(expected)
