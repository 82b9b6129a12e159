"""A cohort whose patients have no tumours: read, trained, scored, summarised and drawn.

As of Pediatric-CT-SEG, whose labels show kidneys of children alone. Nothing of the
tumour has a value: its n is 0, and no 0 stands for what was never measured.
"""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from deeprac.cohort.build import build_cohort
from deeprac.cohort.splits import make_splits
from deeprac.config import load_config
from deeprac.config_files import read_raw, resolve
from deeprac.files import write_json
from deeprac.labels import source_names
from deeprac.layout import Layout
from support.cohort_builders import SPACING_MM, ct_arrays, volume, write_raw
from support.results_tree import TreeOptions, write_tree
from support.toy_cohort import run_arguments, small_networks, verb, write_config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("few_resamples", "coarse_pictures"),
]

EXPERIMENTS = ("coarse_nnunet", "coarse_stn", "fine_stn_crop")
OPTIONS = TreeOptions(
    experiments=EXPERIMENTS,
    patients=6,
    settings={
        "statistics": {
            "comparisons": [
                {"method": "stn", "reference": "nnunet", "test": "superiority"}
            ]
        }
    },
)


def without_tumours(path):
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    array[array == 2] = 0
    changed = sitk.GetImageFromArray(array)
    changed.CopyInformation(image)
    sitk.WriteImage(changed, str(path))


def test_their_cases_are_accepted_and_split(tmp_path):
    """Named sides count as kidney, other organs are ignored, no tumour is missed."""
    image, label = ct_arrays((5, 24, 30))
    label[label == 2] = 1
    label[1:4, 2:5, 2:6] = 3  # liver
    names = {"background": 0, "Kidney Left": 1, "Kidney Right": 2, "Liver": 3}
    pairs = {f"child{n}": (volume(image + n), volume(label)) for n in range(2)}
    config = write_raw(tmp_path / "raw", pairs, labels=names)
    wanted = {
        "background": ["*"],
        "kidney": ["Kidney Left", "Kidney Right", "Horseshoe Kidney"],
        "tumour": [],
    }
    config = type(config)(
        **vars(config) | {"labels": source_names("nnunet_raw", wanted)}
    )
    rows = build_cohort(config, tmp_path / "cohort", folds=2)
    voxel_ml = SPACING_MM[0] * SPACING_MM[1] * SPACING_MM[2] / 1000
    # ct_arrays draws 3 x 2 x 3 voxels of kidney, its tumour among them
    assert [round(row.kidney_ml / voxel_ml, 3) for row in rows] == [18, 18]
    assert {row.tumour_ml for row in rows} == {0}
    splits = make_splits(pd.DataFrame(map(vars, rows)), folds=2, seed=0)
    assert [len(split["val"]) for split in splits] == [1, 1]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = write_tree(tmp_path_factory.mktemp("kidneys"), OPTIONS)
    layout = Layout.of(load_config([path]))
    write_json(layout.config, resolve(read_raw([path])))
    for label_map in layout.root.rglob("*.nii.gz"):
        if "imagesTr" not in label_map.parts:
            without_tumours(label_map)
    cases = pd.read_csv(layout.cases_csv)
    cases.assign(tumour_ml=0.0, side="none").to_csv(layout.cases_csv, index=False)
    for name in EXPERIMENTS:
        for fold in ("0", "1"):
            run = ("--experiment", name, "--seed", "0", "--fold", fold)
            verb(path, "evaluate", *run)
            verb(path, "diagnose", *run)
    verb(path, "summarise")
    verb(path, "summarise", "--what", "diagnostics")
    for name in ("tables", "figures", "claims", "report"):
        verb(path, name)
    return path


@pytest.fixture(scope="module")
def layout(path):
    return Layout.of(load_config([path]))


def test_the_tumour_has_no_value_anywhere(layout):
    cases = pd.read_csv(layout.summary_cases)
    tumour = cases[cases.label == "tumour"]
    assert len(tumour) == 3 * 6
    assert (tumour.volume_ml == 0).all()
    assert tumour[["dice", "nsd_2mm", "hd95_mm", "coverage"]].isna().all(axis=None)
    kidney = cases[cases.label == "kidney"]
    assert len(kidney) == 3 * 6
    assert (kidney.dice > 0).all()


def test_diagnostics_are_those_of_the_kidneys(layout):
    diagnostics = pd.read_csv(layout.summary_diagnostics)
    assert diagnostics.coverage.between(0.9, 1).all()
    assert (diagnostics.labelled_slices > 0).all()


def test_statistics_state_that_n_is_0(layout):
    table = pd.read_csv(layout.tables / "statistics.csv")
    dice = table[(table.metric == "dice") & (table.label == "tumour")]
    assert len(dice) == 3
    assert (dice.n == 0).all()
    assert (dice.n_empty_reference == 6).all()
    assert (
        dice[["mean", "training_sd", "median", "low", "failed"]].isna().all(axis=None)
    )


def test_the_papers_table_has_dashes_and_no_false_zero(layout):
    table = pd.read_csv(layout.tables / "all.csv")
    assert (table.tumour_n == 0).all()
    assert (table.kidney_n == 6).all()
    assert table[["tumour_dice_mean", "tumour_dice_training_sd"]].isna().all(axis=None)
    text = (layout.tables / "all.md").read_text()
    assert "nan" not in text.lower()


def test_the_ladder_has_dashes(layout):
    shown = (layout.tables / "ladder.md").read_text().splitlines()
    head = next(line for line in shown if "Tumour Dice" in line).split("|")
    column = [cell.strip() for cell in head].index("Tumour Dice, %: mean (SD)")
    rows = [line.split("|") for line in shown if line.startswith(("| 128", "| 512"))]
    assert [row[column].strip() for row in rows[:3]] == ["-"] * 3


def test_comparisons_say_that_there_is_nothing_to_compare(layout):
    table = pd.read_csv(layout.tables / "comparisons.csv")
    tumour = table[table.label == "tumour"]
    assert (tumour.n.fillna(0) == 0).all()
    assert tumour.two_way_p.isna().all()


def test_no_text_shows_nan(layout):
    for path in layout.tables.glob("*.md"):
        assert " nan" not in path.read_text().lower(), path.name


@pytest.mark.parametrize("name", ["dice_by_method", "ranked", "dice_by_size"])
def test_figures_have_no_tumour_values(layout, name):
    for path in layout.figures.glob(f"{name}*.csv"):
        data = pd.read_csv(path)
        values = [c for c in data if c in ("dice", "mean", "value")]
        assert data[data.label == "tumour"][values].isna().all(axis=None)


def test_kidneys_alone_are_trained_and_segmented(tmp_path):
    """From a source that has no label of tumours to the metrics of one fold."""
    cases = {}
    for index in range(4):
        image, label = ct_arrays((4, 28, 34))
        image += np.random.default_rng(index).integers(-5, 5, image.shape, np.int16)
        cases[f"c{index}"] = (volume(image), volume((label > 0).astype(np.uint8)))
    write_raw(tmp_path / "raw", cases, labels={"background": 0, "kidney": 1})
    source = {"format": "nnunet_raw", "path": str(tmp_path / "raw")}
    labels = {"labels": {"tumour": []}, "pseudonyms": False}
    sections = {"cohort": {"name": "kidneys"} | source | labels}
    path = write_config(tmp_path / "results", sections)
    run = run_arguments("coarse_nnunet")
    with small_networks():
        for name in ("cohort", "splits", "fingerprint"):
            verb(path, name)
        verb(path, "preprocess", "--matrix", "coarse")
        verb(path, "plan", "--experiment", "coarse_nnunet")
        for name in ("train", "predict", "evaluate"):
            verb(path, name, *run)
    layout = Layout.of(load_config([path]))
    table = pd.read_csv(layout.cases_csv)
    assert (table.tumour_ml == 0).all()
    assert (table.side == "none").all()
    metrics = pd.read_csv(layout.run("coarse_nnunet", 0, 0) / "metrics.csv")
    tumour = metrics[metrics.label == "tumour"]
    assert (tumour.reference_volume_ml == 0).all()
    # nnU-Net's convention: a false tumour is a 0, none at all has no value.
    assert (tumour.dice.isna() == (tumour.volume_ml == 0)).all()
