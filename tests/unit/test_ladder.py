"""The ladder's numbers from a few rows, derived by hand."""

import dataclasses
import math

import pandas as pd
import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.layout import Layout
from deeprac.records.diagnostics import DIAGNOSTIC_COLUMNS
from deeprac.reporting.formats import gain, interval
from deeprac.reporting.summary import read_summary
from deeprac.reporting.tables.ladder import ladder_table
from support.results_tree import TreeOptions, write_tree

EXPERIMENTS = [
    {"experiment": "few", "matrix": "coarse", "method": "nnunet"}
    | {"training_patients": 1},
    {"experiment": "plain", "matrix": "coarse", "method": "nnunet"},
    {"experiment": "wide", "matrix": "coarse", "method": "nnunet_augment_wide"},
    {"experiment": "crop", "matrix": "fine", "method": "stn_crop_half"},
]


@pytest.fixture(scope="module")
def config_path(tmp_path_factory):
    options = TreeOptions(
        experiments=tuple(row["experiment"] for row in EXPERIMENTS),
        settings={"experiments": EXPERIMENTS},
        seeds=(0, 1),
    )
    path = write_tree(tmp_path_factory.mktemp("tree"), options)
    for row in EXPERIMENTS:
        for seed in ("0", "1"):
            for fold in ("0", "1"):
                key = ["--experiment", row["experiment"], "--seed", seed]
                run = ["--config", str(path), *key, "--fold", fold]
                assert main(["evaluate", *run]) == 0
    assert main(["summarise", "--config", str(path)]) == 0
    _diagnose(Layout.of(load_config([path])))
    assert main(["tables", "--config", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def layout(config_path):
    return Layout.of(load_config([config_path]))


def _diagnose(layout):
    """Diagnostics by hand: of the plain nnU-Net a perfect network reaches 0.9."""
    cases = pd.read_csv(layout.summary_cases, dtype={"case": str, "patient": str})
    rows = cases[cases.label == "kidney"].reindex(columns=DIAGNOSTIC_COLUMNS)
    plain = rows.experiment == "plain"
    rows["ceiling_tumour"] = plain.map({True: 0.9, False: float("nan")})
    rows.to_csv(layout.summary_diagnostics, index=False)


@pytest.fixture(scope="module")
def rows(layout):
    return pd.read_csv(layout.tables / "ladder.csv").set_index("experiment")


def test_rows_are_the_experiments_with_all_patients_in_order(rows, layout):
    assert list(rows.index) == ["plain", "wide", "crop"]
    assert list(rows.augmentation) == ["no", "wide", "no"]
    everything = pd.read_csv(layout.tables / "all.csv")
    assert list(everything.method_label)[:2] == ["nnU-Net, 1 patient", "nnU-Net"]


def test_gain_is_the_mean_paired_difference(rows, layout):
    cases = pd.read_csv(layout.summary_cases)
    dice = cases[cases.label == "tumour"].pivot_table("dice", "patient", "experiment")
    difference = dice.wide - dice.plain
    row = rows.loc["wide"]
    assert row.tumour_gain == pytest.approx(difference.mean())
    assert row.tumour_gain_low <= row.tumour_gain <= row.tumour_gain_high
    assert row.tumour_gain_n == 4
    assert row.tumour_dice_low <= row.tumour_dice_mean <= row.tumour_dice_high
    # The tree repeats its predictions in every seed.
    assert row.tumour_dice_seed_sd == 0
    ends = row.tumour_gain_two_way_low, row.tumour_gain_two_way_high
    assert ends[0] < row.tumour_gain < ends[1]


def test_what_the_network_loses_is_known_where_the_perfect_one_is(rows, layout):
    plain = rows.loc["plain"]
    assert plain.tumour_lost == pytest.approx(0.9 - plain.tumour_dice_mean)
    assert math.isnan(plain.kidney_lost)
    assert math.isnan(rows.tumour_lost["wide"])
    assert "Lost, points: tumour" in (layout.tables / "ladder.md").read_text()


def test_the_plain_row_and_rows_without_one_have_no_gain(rows):
    assert math.isnan(rows.tumour_gain["plain"])
    assert math.isnan(rows.tumour_gain["crop"])


def test_readable_forms(layout):
    text = (layout.tables / "ladder.md").read_text()
    results, details = (part for part in text.split("\n\n") if part.startswith("|"))
    for part in (results, details):
        assert len(part.splitlines()) == 2 + 3
        assert len({line.count("|") for line in part.splitlines()}) == 1
    assert "Gain over plain, points: tumour" in results
    assert "| wide " in details
    assert "n = 4 patients" in text
    latex = (layout.tables / "ladder.tex").read_text()
    assert r"\label{tab:deeprac-ladder}" in latex


def test_formats():
    nan = float("nan")
    assert interval(0.5, 1) == "[50.00, 100.00]"
    assert interval(nan, nan) == "-"
    assert gain(-0.011, -0.02, 0.001) == "-1.10 [-2.00, +0.10]"
    assert gain(nan, nan, nan) == "-"


def test_it_says_on_how_many_patients_intervals_rest(config_path, layout):
    """A patient without a Dice in one seed is in the mean, and in no interval."""
    summary = read_summary(load_config([config_path]), layout)
    said = "with a Dice in every seed that counts: kidney 4, tumour 3 at least"
    assert "with a Dice in every seed" not in " ".join(ladder_table(summary).notes)
    cases = summary.cases
    gap = (cases.experiment == "wide") & (cases.label == "tumour") & (cases.seed == 1)
    cases = cases.assign(dice=cases.dice.mask(gap & (cases.patient == "patient000")))
    summary = dataclasses.replace(summary, cases=cases)
    assert said in " ".join(ladder_table(summary).notes)
