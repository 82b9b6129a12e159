"""Dice by age: means and gains within a group, from cases made by hand."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest

from deeprac.errors import MetricsError
from deeprac.records.age_groups import AGE_GROUP
from deeprac.reporting.render import markdown
from deeprac.reporting.tables.ages import ages_rows, ages_table
from support.summary_builder import make_config, make_summary

YOUNG, OLD = "under 4", "4 and above"
DICE = {
    "plain": [0.5, 0.6, 0.8, 0.9],
    "zero": [0.1, 0.3, 0.7, 0.9],
    "stn_zero": [0.4, 0.6, 0.8, 0.8],
    "stn_tuned": [0.7, 0.7, 0.9, 0.9],
}
"""Of two patients under four and of two above."""
EXPERIMENTS = {
    "plain": "nnunet",
    "zero": "nnunet_zero_shot",
    "stn_zero": "stn_zero_shot",
    "stn_tuned": "stn_fine_tune",
}


def summary(bounds=(4,), **statistics):
    config = make_config(
        EXPERIMENTS,
        statistics={"age_groups": list(bounds), **statistics},
        pretraining={"results": "results/adults"},
    )
    made = make_summary(config, DICE, seeds=(0, 1))
    old = made.cases.patient.isin(["patient002", "patient003"])
    return replace(made, cases=made.cases.assign(
        **{AGE_GROUP: old.map({False: YOUNG, True: OLD})}))  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    table = ages_rows(summary())
    return table.set_index(["label", "experiment", "age_group"])


def test_the_mean_is_over_the_patients_of_the_group(rows):
    assert rows.dice["kidney", "plain", YOUNG] == pytest.approx(0.55)
    assert rows.dice["kidney", "zero", OLD] == pytest.approx(0.8)
    assert (rows.n == 2).all()
    assert (rows.n_seeds == 2).all()
    assert len(rows) == 2 * 4 * 2


def test_the_gain_is_over_the_plain_network_of_the_same_schedule(rows):
    young, old = (rows.loc["tumour", "stn_zero", group] for group in (YOUNG, OLD))
    assert young.reference == old.reference == "zero"
    assert young.gain == pytest.approx(0.3)  # 0.3 and 0.3
    assert young.gain_low == pytest.approx(0.3)
    assert old.gain == pytest.approx(0.0)  # 0.1 and -0.1
    assert old.gain_low < 0 < old.gain_high
    assert rows.schedule["tumour", "stn_zero", OLD] == "zero-shot"


def test_without_such_a_plain_network_there_is_no_gain(rows):
    row = rows.loc["kidney", "stn_tuned", YOUNG]
    assert pd.isna(row.gain)
    assert row.remark == "no plain nnU-Net, fine-tuned"
    assert pd.isna(rows.loc["kidney", "plain", YOUNG].remark)


def test_trainings_that_did_not_learn_are_named(tmp_path):
    made = summary()
    made = replace(made, layout=type(made.layout)(tmp_path))
    folder = made.layout.run("zero", 1, 0)
    folder.mkdir(parents=True)
    record = {"training_dice": {"kidney": 0.9, "tumour": 0.1}}
    (folder / "run.json").write_text(json.dumps(record))
    remarks = ages_rows(made).set_index("experiment").remark
    assert "of 8 trainings did not learn (zero, seed 1" in remarks["stn_zero"].iloc[0]


def test_groups_without_patients_have_no_rows_and_labels_without_any_no_mean():
    made = summary(bounds=(2, 4))
    names = {YOUNG: "2 to 4"}
    cases = made.cases.replace({AGE_GROUP: names})
    tumours = cases.label == "tumour"
    cases = cases.assign(dice=cases.dice.mask(tumours & (cases.experiment == "plain")))
    rows = ages_rows(replace(made, cases=cases))
    assert set(rows.age_group) == {"2 to 4", OLD}
    lost = rows[(rows.label == "tumour") & (rows.experiment == "plain")]
    assert lost.n.tolist() == [0, 0]
    assert lost.dice.isna().all()


def test_a_summary_of_other_groups_is_refused():
    with pytest.raises(MetricsError, match=r"other groups of ages.*summarise` again"):
        ages_rows(summary(bounds=(5,)))


def test_the_table_reads():
    text = markdown(ages_table(summary()))
    assert re.search(r"STN.*zero-shot +\| zero-shot +\| under 4 ", text)
    assert "+30.00 [+30.00, +30.00]" in text
    without = ages_table(summary(bounds=()))
    assert without.rows.empty
    assert "No groups of ages are asked for" in markdown(without)
