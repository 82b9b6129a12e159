"""When there is a verdict, of rows written by hand."""

from types import SimpleNamespace

import pytest

from deeprac.evaluation.statistics.verdicts import MIN_PATIENTS, MIN_SEEDS, verdict


def row(**changes):
    enough = {"n": MIN_PATIENTS, "n_seeds": MIN_SEEDS, "seeds_above": MIN_SEEDS}
    numbers = {"difference": 0.01, "margin": float("nan"), "two_way_p_holm": 0.01}
    return SimpleNamespace(**enough | numbers | {"test": "superiority"} | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "superior"),
        ({"difference": -0.01, "seeds_above": 0}, "inferior"),
        ({"two_way_p_holm": 0.05}, "inconclusive"),
        ({"seeds_above": MIN_SEEDS - 1}, "inconclusive"),
        ({"difference": -0.01, "seeds_above": 1}, "inconclusive"),
        ({"n_seeds": MIN_SEEDS - 1}, "not decidable"),
        ({"n": MIN_PATIENTS - 1}, "not decidable"),
        ({"n": 0}, "not run"),
        (
            {"test": "non_inferiority", "margin": 0.02, "difference": -0.01},
            "non-inferior",
        ),
        (
            {"test": "non_inferiority", "margin": 0.02, "difference": -0.03}
            | {"seeds_above": 0},
            "inferior",
        ),
    ],
)
def test_each_condition(changes, expected):
    assert verdict(row(**changes), [], 10)[0] == expected


def test_trainings_that_did_not_learn_come_before_too_few_seeds():
    found = verdict(row(n_seeds=1), ["stn seed 0 fold 1"], 6)
    assert found == (
        "not decidable",
        "1 of 6 trainings did not learn: stn seed 0 fold 1",
    )
