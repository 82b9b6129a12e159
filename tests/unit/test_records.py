"""The files that cross borders: what every reader of them gets."""

import json

import numpy as np
import pandas as pd
import pytest

from deeprac.errors import MetricsError, SplitError
from deeprac.layout import Layout
from deeprac.records.cases import CaseRow, read_cases, write_cases
from deeprac.records.run_key import RunKey
from deeprac.records.splits import held_out_cases, read_split, unseen
from deeprac.records.training import training_columns

KEY = RunKey("demo", "fine_stn", seed=3, fold=1)


def row(case, age_years):
    numbers = dict.fromkeys(("size_x", "size_y", "size_z"), 8)
    numbers |= dict.fromkeys(("spacing_x_mm", "spacing_y_mm", "spacing_z_mm"), 1.5)
    unknown = dict.fromkeys(("scale", "angle_rad", "shift_x_mm", "shift_y_mm"))
    return CaseRow(
        case=case,
        patient="NA",
        image=f"{case}_0000.nii.gz",
        label=f"{case}.nii.gz",
        age_years=age_years,
        side="none",
        kidney_ml=1.0,
        tumour_ml=0.0,
        label_sha256="a1",
        image_sha256="b2",
        **numbers,
        **unknown,
    )


@pytest.fixture
def cases_csv(tmp_path):
    write_cases(tmp_path / "cases.csv", [row("007", None), row("008", 2.5)])
    return tmp_path / "cases.csv"


def test_names_are_text_and_empty_numbers_are_nan(cases_csv):
    cases = read_cases(cases_csv)
    assert list(cases.index) == list(cases.case) == ["007", "008"]
    assert set(cases.patient) == {"NA"}
    assert np.isnan(cases.age_years["007"])
    assert cases.age_years["008"] == 2.5
    assert cases.scale.isna().all()
    assert cases.scale.dtype == float


def test_a_case_twice_is_refused(cases_csv):
    write_cases(cases_csv, [row("007", None), row("007", 2.5)])
    with pytest.raises(MetricsError, match="lists case 007 twice"):
        read_cases(cases_csv)


def test_a_table_cut_short_is_no_smaller_cohort(cases_csv):
    whole = cases_csv.read_text()
    cases_csv.write_text("".join(whole.splitlines(keepends=True)[:2]))
    with pytest.raises(
        MetricsError, match=r"has 1 rows and was written with 2.*Delete"
    ):
        read_cases(cases_csv)
    cases_csv.write_text(whole.replace("2.5", "2.6"))
    with pytest.raises(MetricsError, match=r"cases.csv is not as it was written"):
        read_cases(cases_csv)
    cases_csv.write_text(whole)
    assert len(read_cases(cases_csv)) == 2


def test_a_table_of_an_older_version_is_counted(cases_csv):
    """It has no manifest; nnU-Net's description of the cohort has the number."""
    cases_csv.with_name("manifest.json").unlink()
    assert len(read_cases(cases_csv)) == 2
    cases_csv.with_name("dataset.json").write_text(json.dumps({"numTraining": 3}))
    with pytest.raises(MetricsError, match="has 2 rows and was written with 3"):
        read_cases(cases_csv)


def test_held_out_cases_come_in_the_order_of_the_fold(cases_csv, tmp_path):
    splits = tmp_path / "splits_final.json"
    with pytest.raises(SplitError, match="Run `deeprac splits`"):
        read_split(splits, 0)
    splits.write_text(json.dumps([{"train": [], "val": ["008", "007"]}]))
    assert list(held_out_cases(cases_csv, splits, 0).case) == ["008", "007"]
    for fold in (-1, 1):
        with pytest.raises(SplitError, match=f"Fold {fold} does not exist"):
            read_split(splits, fold)
    splits.write_text(json.dumps([{"train": [], "val": ["009"]}]))
    with pytest.raises(SplitError, match="does not list: 009"):
        held_out_cases(cases_csv, splits, 0)


def test_a_run_predicts_the_test_cases_too(cases_csv, tmp_path):
    splits = tmp_path / "splits_final.json"
    fold = {"train": [], "val": ["008"], "test": ["007"]}
    splits.write_text(json.dumps([fold]))
    assert list(held_out_cases(cases_csv, splits, 0).case) == ["008", "007"]
    assert unseen(fold) == ["008", "007"]
    assert unseen({"train": ["007"], "val": ["008"]}) == ["008"]


def test_a_run_signs_its_tables_and_refuses_those_of_others(tmp_path):
    assert KEY.folder(Layout(tmp_path)) == tmp_path / "fine_stn" / "seed3" / "fold_1"
    columns = ("cohort", "case", "fold", "seed", "experiment")
    table = KEY.sign(pd.DataFrame({"case": ["a"], "other": [1]}), columns)
    assert table.iloc[0].tolist() == ["demo", "a", 1, 3, "fine_stn"]
    KEY.check_table(table, tmp_path, remedy="")
    with pytest.raises(MetricsError, match=r"fold 1 but has a row of 2\. Again\."):
        KEY.check_table(table.assign(fold=2), tmp_path, remedy="Again.")


def test_columns_of_a_curve_name_the_labels_of_the_cohort():
    columns = training_columns(["kidney", "cyst"])
    assert columns[3:7] == ("val_loss", "val_dice_kidney", "val_dice_cyst", "seconds")
