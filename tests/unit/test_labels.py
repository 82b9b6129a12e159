"""The labels of a cohort: numbers by title, from a configuration or a dataset.json."""

from itertools import product

import pytest

from deeprac.errors import ConfigError
from deeprac.labels import KIDNEY_AND_TUMOUR, CohortLabels, source_names
from support.summary_builder import make_config

ALL = [CohortLabels(cysts, sides) for cysts, sides in product((False, True), repeat=2)]
NUMBERS = [
    {"background": 0, "kidney": 1, "tumour": 2},
    {"background": 0, "kidney_left": 1, "tumour": 2, "kidney_right": 3},
    {"background": 0, "kidney": 1, "tumour": 2, "cyst": 3},
    {"background": 0, "kidney_left": 1, "tumour": 2, "cyst": 3, "kidney_right": 4},
]
SIDES = {"kidney_left": ["l"], "kidney_right": ["r"]}
GIVEN = [{}, SIDES, {"cyst": ["c"]}, SIDES | {"cyst": ["c"]}]


@pytest.mark.parametrize(("labels", "numbers"), list(zip(ALL, NUMBERS, strict=True)))
def test_numbers_without_a_gap(labels, numbers):
    assert labels.numbers == numbers
    assert list(labels.numbers) == list(numbers)  # the order of the heads
    assert list(labels.foreground.values()) == list(range(1, len(numbers)))
    assert "background" not in labels.foreground
    assert {numbers["tumour"]} | set(labels.kidney) | (
        {numbers["cyst"]} if labels.cysts else set()
    ) == set(labels.foreground.values())


def test_kidney_is_both_sides():
    assert [labels.kidney for labels in ALL] == [(1,), (1, 3), (1,), (1, 4)]


@pytest.mark.parametrize(("labels", "given"), list(zip(ALL, GIVEN, strict=True)))
def test_what_a_configuration_asks_for(labels, given):
    names = source_names("nnunet_raw", given)
    assert CohortLabels.named(names) == labels
    assert CohortLabels.named(names).numbers == labels.numbers


def test_a_cohort_without_tumours_keeps_the_number_of_the_tumour():
    names = source_names("nnunet_raw", {"tumour": []})
    assert CohortLabels.named(names) == KIDNEY_AND_TUMOUR


@pytest.mark.parametrize("labels", ALL)
def test_what_a_dataset_lists(labels):
    shuffled = dict(reversed(labels.numbers.items()))
    assert CohortLabels.listed({"labels": shuffled}) == labels


@pytest.mark.parametrize(
    "numbers",
    [
        {"background": 0, "kidney": 2, "tumour": 1},
        {"background": 0, "kidney": 1},
        {"background": 0, "kidney": 1, "tumour": 2, "spleen": 3},
        {"background": 0, "kidney_left": 1, "kidney_right": 2, "tumour": 3},
    ],
)
def test_a_dataset_with_other_labels(numbers):
    with pytest.raises(ValueError, match=r"labels are .*; got "):
        CohortLabels.listed({"labels": numbers})


SOURCE = {"name": "c", "format": "nnunet_raw", "path": "c"}


def test_a_mirrored_slice_contradicts_kept_sides():
    mirrored = {"inference": {"mirroring": True}}
    with pytest.raises(ConfigError, match=r"inference\.mirroring is true, but"):
        make_config({"a": "nnunet"}, cohort=SOURCE | {"labels": SIDES}, **mirrored)
    make_config({"a": "nnunet"}, cohort=SOURCE | {"labels": SIDES})
    make_config(
        {"a": "nnunet"}, cohort=SOURCE | {"labels": {"cyst": ["c"]}}, **mirrored
    )


@pytest.mark.parametrize("labels", GIVEN[1:])
def test_a_phantom_has_neither_cysts_nor_sides(labels):
    with pytest.raises(ConfigError, match=r"a phantom\s+has neither"):
        make_config({"a": "nnunet"}, cohort={"name": "c", "labels": labels})
