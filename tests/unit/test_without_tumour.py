"""Cohorts without tumours, such as Pediatric-CT-SEG, from the labels to the tables."""

import pandas as pd
import SimpleITK as sitk

from deeprac import cli
from deeprac.cohort.build import build_cohort
from deeprac.cohort.splits import make_splits
from deeprac.config import load_config
from deeprac.labels import source_names
from deeprac.layout import Layout
from support.cohort_builders import SPACING_MM, ct_arrays, volume, write_raw
from support.results_tree import REPO, TreeOptions, write_tree

TWO = ("coarse_nnunet", "coarse_stn")


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


def test_tables_leave_the_tumour_out(tmp_path, monkeypatch):
    monkeypatch.chdir(REPO)
    path = write_tree(tmp_path, TreeOptions(experiments=TWO))
    config = load_config([path])
    layout = Layout.of(config)
    for file in [*layout.labels.iterdir(), *layout.root.rglob("predictions/*.nii.gz")]:
        label = sitk.ReadImage(str(file))
        sitk.WriteImage(sitk.Clamp(label, label.GetPixelID(), 0, 1), str(file))
    cases = pd.read_csv(layout.cases_csv)
    cases.assign(tumour_ml=0.0, side="none").to_csv(layout.cases_csv, index=False)

    def run(*words):
        assert cli.main([*words, "--config", str(path)]) == 0

    for experiment in config.run.experiments:
        for fold in ("0", "1"):
            for verb in ("evaluate", "diagnose"):
                run(verb, "--experiment", experiment, "--fold", fold)
    for verb in ("summarise", "summarise --what diagnostics", "tables"):
        run(*verb.split())
    summary = pd.read_csv(layout.summary_cases)
    dice = summary.groupby("label").dice
    assert dice.count()["tumour"] == 0
    assert dice.count()["kidney"] == 2 * 4
    shown = (layout.tables / "ladder.md").read_text().splitlines()
    head = next(line for line in shown if "Tumour Dice" in line).split("|")
    column = [cell.strip() for cell in head].index("Tumour Dice, %: mean (SD)")
    rows = [line.split("|") for line in shown if line.startswith(("| 128", "| 512"))]
    assert [row[column].strip() for row in rows[:2]] == ["-"] * 2
