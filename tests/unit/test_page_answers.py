"""The first tab of the page: verdicts, failed trainings."""

import numpy as np
import pandas as pd

from deeprac.evaluation.gates import (
    GATE_COLUMNS,
    LEARNED,
    NOT_LEARNED,
    NOT_RECORDED,
)
from deeprac.reporting.page.answers import page_answers
from deeprac.reporting.tables.comparisons import comparisons_table
from support.summary_builder import make_config, make_summary

GAIN = {
    "claim": "It gains <b>",
    "quantity": "dice_difference",
    "arms": ["stn"],
    "against": ["nnunet"],
    "labels": ["kidney"],
    "bound": {"above": 0, "unit": "points"},
    "rule": "interval",
}
LATER = {"claim": "In 3D too", "undecided": "not run"}
DICE = {"plain": np.linspace(0.5, 0.8, 20), "learned": np.linspace(0.6, 0.9, 20)}


def summary_of(dice=DICE):
    methods = {"plain": "nnunet", "learned": "stn"}
    planned = [("stn", "nnunet", "superiority")]
    report = {"claims": [GAIN, LATER]}
    config = make_config(methods, comparisons=planned, report=report)
    return make_summary(config, dice, seeds=range(5), folds=1)


def answers_of(*verdicts):
    summary = summary_of()
    rows = [
        ("plain", seed, 0, "tumour", 0.012, "training slices", verdict)
        for seed, verdict in enumerate(verdicts)
    ]
    gates = pd.DataFrame(rows, columns=list(GATE_COLUMNS))
    summary.__dict__["gates"] = gates
    return page_answers(summary)


def test_each_claim_has_a_verdict_and_its_number():
    answers = answers_of(LEARNED)
    assert answers.tally == "2 claims: 1 reached, 0 missed, 1 not decidable."
    gain, later = answers.claims
    assert (gain.verdict, later.verdict) == ("reached", "not decidable")
    (condition,) = gain.conditions
    assert condition.quantity == "difference of Dice, kidney"
    assert condition.whose == "learned - plain"
    assert condition.measured == "10 points [10, 10]"
    assert (condition.n, condition.seeds) == ("20", "5")
    assert later.conditions[0].outcome == "not decidable: not run"


def test_failed_trainings_are_counted_and_named():
    answers = answers_of(NOT_LEARNED, LEARNED, NOT_RECORDED)
    assert answers.trainings == (
        "1 of 10 trainings did not learn a label; of 1 it is not recorded. Whether "
        "more steps would change the Dice was tested here for no experiment."
    )
    assert answers.failed == (
        "nnU-Net at 128, seed 0, fold 0: tumour Dice 1.2 % on training slices",
    )


def test_where_every_training_failed_nothing_is_decided():
    """Neither by the claims nor by the comparisons, which name the failures."""
    summary = summary_of({name: np.zeros(20) for name in DICE})
    rows = [
        (name, seed, 0, label, 0.0, "training slices", NOT_LEARNED)
        for name in DICE
        for seed in range(5)
        for label in ("kidney", "tumour")
    ]
    summary.__dict__["gates"] = pd.DataFrame(rows, columns=list(GATE_COLUMNS))
    answers, comparisons = page_answers(summary), comparisons_table(summary).rows
    assert answers.tally == "2 claims: 0 reached, 0 missed, 2 not decidable."
    assert answers.trainings.startswith("10 of 10 trainings did not learn a label. ")
    assert len(answers.failed) == 20
    why = "10 of 10 trainings did not learn"
    assert why in answers.claims[0].conditions[0].outcome
    assert set(comparisons.verdict) == {"not decidable"}
    assert comparisons.reason.str.startswith(why).all()
