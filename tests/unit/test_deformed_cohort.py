"""The verb that gives a cohort the shape of another, and what the workflow reads."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from deeprac.cohort.build import build_cohort
from deeprac.config import load_config
from deeprac.errors import CohortError, SplitError
from deeprac.layout import Layout
from deeprac.preprocessing import deformed_cohort
from deeprac.preprocessing.deformed_cohort import FIT_COLUMNS, deform_cohort
from deeprac.volumes import read_volume, write_label_map
from support.toy_cohort import small_networks, verb

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Configuration file of phantoms whose case poses are known, and what was made.

    All in the shape of the two that the first fold trains on.
    """
    folder = tmp_path_factory.mktemp("deformed")
    path = folder / "own.json"
    phantom = {"cases": 4, "matrix": 64, "slice_spacing_mm": [14, 16]}
    content = {
        "cohort": {"name": "own", "phantom": phantom},
        "splits": {"folds": 2},
        "results": str(folder / "results"),
    }
    path.write_text(json.dumps(content))
    config = load_config([path])
    with small_networks():
        build_cohort(config.cohort, Layout.of(config).cohort)
        for stage in ("splits", "fingerprint", "case-poses"):
            verb(path, stage)
        options = ("--towards", str(path), "--fold", "0", "--out", str(folder / "made"))
        verb(path, "cohort deform", *options)
    return config, folder / "made"


def test_the_workflow_reads_it_as_a_cohort(cohort, tmp_path):
    config, made = cohort
    source = Layout.of(config)
    settings = replace(
        config.cohort,
        format="nnunet_raw",
        path=made,
        patients=made / "patients.csv",
        pseudonyms=False,
    )
    rows = pd.DataFrame(build_cohort(settings, tmp_path / "cohort")).set_index("case")
    before = pd.read_csv(source.cases_csv).set_index("case")
    fits = pd.read_csv(made / "fits.csv").set_index("case")
    assert (fits.index.name, *fits.columns) == FIT_COLUMNS
    assert list(rows.index) == list(before.index)
    assert list(rows.patient) == list(before.patient)
    splits = [
        json.loads(path.read_text())
        for path in (source.splits, made / "splits_final.json")
    ]
    assert splits[0] == splits[1]
    assert set(fits.towards) <= set(splits[0][0]["train"])
    assert not fits.weakened_fields.any()
    assert {path.suffix for path in made.glob("fits.*")} == {".csv", ".png", ".svg"}
    shape = before.loc[fits.towards]
    for axis in ("x", "y"):
        column = f"spacing_{axis}_mm"
        np.testing.assert_allclose(rows[column], shape[column], rtol=1e-5)
    # A volume of tissue is scaled, and some of it deformed, but nothing gets lost.
    assert (rows.kidney_ml > 0).all()
    assert ((rows.tumour_ml > 0) == (before.tumour_ml > 0)).all()


def test_what_does_not_fit_is_refused_before_anything_is_written(cohort, tmp_path):
    config, made = cohort
    patients = list(pd.read_csv(Layout.of(config).cases_csv).case)
    with pytest.raises(CohortError, match="--out names a new folder"):
        deform_cohort(config, config, patients, made)
    small = replace(config, localiser=replace(config.localiser, canonical_radius=0.3))
    with pytest.raises(CohortError, match=r"canonical_radius: 0.3 and 0.4. Convert"):
        deform_cohort(small, config, patients, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_cases_that_do_not_show_whole_kidneys_are_left_out(cohort, tmp_path, caplog):
    config, _ = cohort
    copied = replace(config, results=tmp_path / "results")
    shutil.copytree(Layout.of(config).root, Layout.of(copied).root)
    cases = pd.read_csv(Layout.of(copied).cases_csv)
    for row, cut in zip(cases[:3].itertuples(), ("first", "last", "all"), strict=True):
        path = Layout.of(copied).cohort / row.label
        labels, _ = read_volume(path)
        (shown,) = np.nonzero((labels == 1).any((1, 2)))
        ends = {"first": slice(shown[1], None), "last": slice(shown[-1])}
        kept = labels[ends[cut]] if cut in ends else np.zeros_like(labels)
        write_label_map(path, kept, sitk.GetImageFromArray(kept))
    first, last, empty, whole = cases.case
    with small_networks():
        fits = deform_cohort(
            copied, copied, [first, whole], tmp_path / "new", iterations=0
        )
    assert list(fits.case) == list(fits.towards) == [whole]
    assert (
        f"left out, without whole kidneys: {first} (kidneys in the first or last "
        f"slice), {last} (kidneys in the first or last slice), {empty} (no label)"
    ) in caplog.text
    splits = json.loads((tmp_path / "new/splits_final.json").read_text())
    assert [sorted(split["train"] + split["val"]) for split in splits] == [[whole]] * 2
    with pytest.raises(CohortError, match=rf"no case .* shows them: {empty} \(no lab"):
        deform_cohort(config, copied, [empty], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_folds_that_are_missing_are_said_before_anything_is_fitted(
    cohort, tmp_path, monkeypatch
):
    config, _ = cohort
    copied = replace(config, results=tmp_path / "results")
    shutil.copytree(Layout.of(config).root, Layout.of(copied).root)
    Layout.of(copied).splits.unlink()
    monkeypatch.setattr(deformed_cohort, "fit_fields", None)  # would fail
    patients = list(pd.read_csv(Layout.of(config).cases_csv).case)
    with pytest.raises(SplitError, match=r"The folds are missing: .*Run `deeprac spl"):
        deform_cohort(copied, config, patients, tmp_path / "new")


def test_without_fields_it_is_size_pose_and_position_alone(cohort, tmp_path):
    config, made = cohort
    fits = pd.read_csv(made / "fits.csv")
    with small_networks():
        again = deform_cohort(
            config, config, sorted(set(fits.towards)), tmp_path / "new", iterations=0
        )
    after, before = again.kidney_dice_after, again.kidney_dice_before
    pd.testing.assert_series_equal(after, before, check_names=False)
    labels, image = read_volume(tmp_path / "new/labelsTr" / f"{again.case[0]}.nii.gz")
    assert labels.any()
    assert image.GetSpacing()[2] > 0
