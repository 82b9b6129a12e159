"""Which trainings learned, from scores made by hand."""

import pandas as pd
import pytest

from deeprac.evaluation.gates import (
    GATE_COLUMNS,
    LEARNED,
    NOT_JUDGED,
    NOT_LEARNED,
    NOT_RECORDED,
    failures,
    judged,
    not_learned,
)

NAN = float("nan")
SLICES = "training slices"


def scores(*rows):
    columns = ("experiment", "seed", "fold", "label", "dice", "source")
    return pd.DataFrame(rows, columns=list(columns))


GATES = judged(
    scores(
        ("plain", 0, 0, "kidney", 0.8, SLICES),
        ("plain", 0, 0, "tumour", 0.011, SLICES),
        ("plain", 1, 0, "kidney", 0.299, SLICES),
        ("plain", 1, 0, "tumour", 0.1, SLICES),
        ("stn", 0, 0, "kidney", 0.3, SLICES),
        ("stn", 0, 0, "tumour", NAN, SLICES),
        ("old", 0, 0, "kidney", NAN, ""),
        ("old", 0, 0, "tumour", NAN, ""),
    ),
    floor=0.3,
)


def test_the_floor_itself_is_learned_and_what_is_not_known_is_not():
    assert tuple(GATES) == GATE_COLUMNS
    assert GATES.verdict.tolist() == [
        *(LEARNED, NOT_LEARNED, NOT_LEARNED, NOT_LEARNED),
        *(LEARNED, NOT_JUDGED, NOT_RECORDED, NOT_RECORDED),
    ]


@pytest.mark.parametrize(("floor", "failed"), [(0.0, 0), (0.05, 1), (1.0, 5)])
def test_another_floor_needs_no_other_training(floor, failed):
    assert (judged(GATES, floor).verdict == NOT_LEARNED).sum() == failed


def test_failed_trainings_are_listed_with_the_reason():
    failed = not_learned(GATES)
    assert list(failed) == ["experiment", "seed", "fold", "label", "reason"]
    assert failed.seed.tolist() == [0, 1, 1]
    assert failed.reason[0] == "tumour Dice 1.1 % on training slices"
    assert not_learned(GATES, "stn", "old").empty


def test_a_statement_names_the_trainings_that_failed_and_counts_all():
    assert failures(GATES, "stn", "plain") == (
        "2 of 3 trainings did not learn (plain, seed 0, fold 0: tumour; "
        "plain, seed 1, fold 0: kidney and tumour)"
    )
    assert failures(GATES, "stn") == failures(GATES, "old") == ""


def test_a_long_list_of_failures_is_counted():
    rows = [("plain", seed, 0, "kidney", 0.0, SLICES) for seed in range(7)]
    said = failures(judged(scores(*rows), 0.3), "plain")
    assert "7 of 7 trainings" in said
    assert said.endswith("seed 4, fold 0: kidney; 2 more)")


def test_all_trainings_may_have_failed():
    gates = judged(scores(("plain", 0, 0, "tumour", 0.0, SLICES)), 0.3)
    assert failures(gates, "plain").startswith("1 of 1 trainings")


def test_no_training_at_all():
    gates = judged(scores().astype({"dice": float, "source": str}), 0.3)
    assert gates.empty
    assert failures(gates, "plain") == ""
