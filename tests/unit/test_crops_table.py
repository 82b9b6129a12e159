"""The table of crops, from cases and diagnostics made by hand."""

import numpy as np
import pandas as pd
import pytest

from deeprac.evaluation.statistics.two_way import two_way_interval
from deeprac.records.diagnostics import DIAGNOSTIC_COLUMNS, LATER_COLUMNS
from deeprac.reporting.page import content
from deeprac.reporting.render import latex, markdown
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.crops import crops_rows, crops_table
from support.summary_builder import make_config, make_summary

METHODS = {"whole": "stn", "square": "stn_crop_half", "wide": "stn_rectangle_half"}
SEEDS = (0, 1)
PATIENTS = 4


def made(tmp_path, methods=METHODS):
    """Cropped Dice is 10 points lower, and 2 more with the second seed."""
    config = make_config(methods)
    dice = {name: np.linspace(0.5, 0.8, PATIENTS) for name in methods}
    summary = make_summary(config, dice, seeds=SEEDS)
    cases = summary.cases
    cropped = cases.experiment != "whole"
    cases.loc[cropped, "dice"] -= 0.1 + 0.02 * cases.seed[cropped]
    runs = summary.runs
    for name, size in (("square", "64"), ("wide", "48x96")):
        runs.loc[runs.experiment == name, "network_input_size"] = size
    rows = []
    for name in methods:
        for seed in SEEDS:
            for patient in range(PATIENTS):
                row = dict.fromkeys([*DIAGNOSTIC_COLUMNS, *LATER_COLUMNS], 0)
                row |= {"experiment": name, "seed": seed, "case": f"case{patient:03d}"}
                row |= {"patient": f"patient{patient:03d}", "crop_side": 0.5}
                row["crop_grown"] = int(name == "wide" and patient == 0)
                row["crop_fallback"] = int(name == "wide" and seed == patient == 0)
                rows.append(row)
    layout = type(summary.layout)(tmp_path)
    layout.summary_diagnostics.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(layout.summary_diagnostics, index=False)
    return Summary.of(config, layout, cases, runs)


def test_by_hand(tmp_path):
    rows = crops_rows(made(tmp_path)).set_index("experiment")
    assert rows.reference.to_dict() == {"whole": "", "square": "whole", "wide": "whole"}
    square = rows.loc["square"]
    assert square.kidney_mean == pytest.approx(0.65 - 0.11)
    # Of 0.5, 0.6, 0.7 and 0.8 in both trainings.
    assert square.kidney_sd == pytest.approx(np.std([0.5, 0.6, 0.7, 0.8], ddof=1))
    expected = two_way_interval([[0.1, 0.12]] * PATIENTS)
    found = square[["kidney_loss", "kidney_loss_low", "kidney_loss_high"]]
    assert found.tolist() == pytest.approx(
        [expected.value, expected.low, expected.high]
    )
    # 64 of 128 pixels on half of the frame; 48 x 96 have the pixels of 67.9 x 67.9.
    assert square.density == pytest.approx(1)
    assert rows.density["wide"] == pytest.approx(np.sqrt(48 * 96) / 64)
    assert rows.grown.to_dict() == {"whole": 0, "square": 0, "wide": 0.25}
    assert rows.fallback["wide"] == 0.125


def test_reads_well(tmp_path):
    text = markdown(crops_table(made(tmp_path)))
    assert "n = 4 patients, 4 cases; 2 of" in text
    assert "48x96" in text
    assert "+11.00 [" in text
    assert "nan" not in (text + latex(crops_table(made(tmp_path / "again")))).lower()


def test_a_crop_without_its_counterpart_loses_nothing_known(tmp_path):
    rows = crops_rows(made(tmp_path, {"wide": "stn_rectangle_half"}))
    assert rows.reference.tolist() == [""]
    assert rows.kidney_loss.isna().all()


def test_without_any_crop_the_table_says_so():
    config = make_config({"plain": "nnunet"})
    table = crops_table(make_summary(config, {"plain": [0.5, 0.6]}))
    assert "No selected experiment has a crop." in markdown(table)


def test_without_diagnostics_the_table_says_what_it_does_not_know(tmp_path):
    summary = made(tmp_path)
    summary.layout.summary_diagnostics.unlink()
    table = crops_table(summary)
    assert table.rows[["missed", "grown", "fallback", "density"]].isna().all(axis=None)
    assert "summary/diagnostics.csv is missing" in markdown(table)


@pytest.mark.parametrize(("methods", "shown"), [(METHODS, True), ({"a": "stn"}, False)])
def test_the_page_shows_it_where_something_crops(tmp_path, monkeypatch, methods, shown):
    monkeypatch.setattr(content, "cohort_tables", lambda cohort: ())
    tables = content.page_tables(made(tmp_path, methods), pd.DataFrame())["results"]
    assert ("crops" in [table.name for table in tables]) == shown
