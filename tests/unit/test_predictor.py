"""Prediction of whole cases on a toy cohort, with networks that need no training."""

import numpy as np
import pandas as pd
import pytest
import torch
from toy_cohort import (
    HELD_OUT,
    arrays,
    make_cohort,
    run_arguments,
    small_networks,
    verb,
)

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.files import read_json, write_json
from deeprac.inference.predictor import Predictor
from deeprac.layout import Layout
from deeprac.volumes import read_volume

METHODS = ("coarse_nnunet", "fine_stn", "fine_stn_crop_half")
SPACING_MM = (4.0, 0.9, 0.9)
CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Configuration file of a toy cohort with one trained run per method."""
    _, path = make_cohort(tmp_path_factory.mktemp("predicted"))
    for name in METHODS:
        verb(path, "plan", "--experiment", name)
        verb(path, "train", *run_arguments(name))
        verb(path, "predict", *run_arguments(name))
    return path


@pytest.fixture(scope="module")
def layout(cohort):
    return Layout.of(load_config([cohort]))


@pytest.mark.parametrize("experiment", METHODS)
def test_predictions_lie_on_the_grid_of_the_image(layout, experiment):
    (case,) = HELD_OUT
    folder = layout.run(experiment, 0, 0) / "predictions"
    assert [path.name for path in folder.iterdir()] == [f"{case}.nii.gz"]
    labels, grid = read_volume(folder / f"{case}.nii.gz")
    image, reference = read_volume(layout.images / f"{case}_0000.nii.gz")
    assert labels.dtype == np.uint8
    assert labels.shape == image.shape
    assert set(np.unique(labels)) <= {0, 1, 2}
    for name in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(grid, name)() == pytest.approx(getattr(reference, name)())


@pytest.mark.parametrize("experiment", METHODS)
def test_transforms_table(layout, experiment):
    path = layout.run(experiment, 0, 0) / "transforms.csv"
    table = pd.read_csv(path, dtype={"case": str})
    entries = [f"{row}{column}" for row in (1, 2) for column in (1, 2, 3)]
    assert list(table) == [
        *("case", "slice"),
        *(f"a{entry}" for entry in entries),
        *(f"c{entry}" for entry in entries),
    ]
    assert table["slice"].tolist() == [0, 1, 2, 3]
    assert set(table["case"]) == set(HELD_OUT)
    a = table.loc[:, "a11":"a23"].to_numpy().reshape(-1, 2, 3)
    c = table.loc[:, "c11":"c23"].to_numpy().reshape(-1, 2, 3)
    identity = np.eye(2, 3)
    if "stn" not in experiment:
        assert (a == identity).all()
        assert (c == identity).all()
        return
    assert (np.linalg.det(a[:, :, :2]) > 0).all()
    # The body's centre, pixel 16 of 34 in x and 13 + 3 of padding in y, lies at
    # 33 / 34 - 1. Its semi-axes are 15 and 11 pixels, and up to half a pixel more at
    # its soft edge: a radius of sqrt((15**2 + 11**2) / 8) / 17 = 0.387 to 0.402 in
    # half widths, of 0.4 in the canonical frame. Its long axis is along x.
    np.testing.assert_allclose(c[:, :, 2], -1 / 34, atol=0.01)
    scale = np.sqrt(np.linalg.det(c[:, :, :2]))
    assert ((scale > 0.387 / 0.4) & (scale < 0.402 / 0.4)).all()
    np.testing.assert_allclose(c[:, 1, 0], 0, atol=0.02)
    if "crop" not in experiment:
        assert np.array_equal(a, c)
        return
    # a = c @ crop; the crop is a window, turned by nothing, of calibrated size.
    crop = np.linalg.solve(c[:, :, :2], a[:, :, :2])
    weights = torch.load(path.with_name("checkpoint_final.pth"), weights_only=False)
    half_side = weights["network_weights"]["crop_half_side"].item()
    np.testing.assert_allclose(
        crop, half_side * np.eye(2)[None].repeat(4, 0), atol=1e-5
    )


def test_convention_transforms_are_rows_of_a_matrix(layout):
    """The centre of the input, (0, 0), lies in the slice at (a13, a23)."""
    predictor = Predictor.from_run(layout.model("fine_stn", 0), 0, CPU)
    (case,) = HELD_OUT
    image, _ = read_volume(layout.images / f"{case}_0000.nii.gz")
    found = predictor.predict(image, SPACING_MM)
    table = pd.read_csv(layout.run("fine_stn", 0, 0) / "transforms.csv")
    np.testing.assert_allclose(
        table[["a13", "a23"]], found.image_from_input[:, :, 2], rtol=1e-6
    )


@pytest.mark.parametrize("experiment", METHODS)
def test_batched_equals_slice_by_slice(layout, experiment):
    model = layout.model(experiment, 0)
    predictor = Predictor.from_run(model, 0, CPU)
    image, _ = arrays(1)
    before = image.copy()
    predictor.settings["inference"]["batch_size"] = 3  # 4 slices: 3 and 1
    batched = predictor.predict(image, SPACING_MM)
    predictor.settings["inference"]["batch_size"] = 1
    single = predictor.predict(image, SPACING_MM)
    assert np.mean(batched.labels != single.labels) < 1e-3
    np.testing.assert_allclose(
        batched.image_from_input, single.image_from_input, atol=1e-5
    )
    alone = predictor.predict(image[2:3], SPACING_MM)
    assert np.array_equal(alone.labels[0], single.labels[2])
    assert np.array_equal(image, before)


class Ramp(torch.nn.Module):
    """Logits that know left from right: the image times its columns and rows."""

    def forward(self, image):
        rows = torch.arange(image.shape[2])[:, None] / 10.0
        columns = torch.arange(image.shape[3]) ** 2 / 100.0
        return torch.cat([image, image * columns, image * rows], 1)


@pytest.fixture
def predictor(layout):
    return Predictor.from_run(layout.model("coarse_nnunet", 0), 0, CPU)


def test_mirroring_is_the_mean_of_the_four_flips(predictor):
    predictor.network = Ramp()
    batch = torch.rand(2, 1, 32, 32)
    plain, _, _ = predictor._segment(batch)
    torch.testing.assert_close(plain, Ramp()(batch))
    predictor.settings["inference"]["mirroring"] = True
    mean, _, _ = predictor._segment(batch)
    views = [Ramp()(batch)]
    views += [Ramp()(batch.flip(axes)).flip(axes) for axes in ([2], [3], [2, 3])]
    torch.testing.assert_close(mean, sum(views) / 4)
    assert (mean - plain).abs().max() > 0.1


def test_mirroring_changes_nothing_for_a_network_that_is_equivariant(predictor):
    predictor.network = torch.nn.Conv2d(1, 3, 1)
    batch = torch.rand(2, 1, 32, 32)
    plain, _, _ = predictor._segment(batch)
    predictor.settings["inference"]["mirroring"] = True
    torch.testing.assert_close(predictor._segment(batch)[0], plain)


def test_convention_labels_come_back_to_the_native_place(predictor):
    """A network that answers "kidney" where it is bright, on a slice of 28 x 34."""

    class Bright(torch.nn.Module):
        def forward(self, image):
            kidney = 10 * (image > 0).float()
            return torch.cat([5 + 0 * image, kidney, 0 * image], 1)

    predictor.network = Bright()
    image = np.full((2, 28, 34), -1000, np.int16)
    image[1, 4:14, 20:32] = 400
    labels = predictor.predict(image, SPACING_MM).labels
    assert labels[0].sum() == 0
    rows, columns = np.nonzero(labels[1])
    assert rows.mean() == pytest.approx(8.5, abs=0.5)
    assert columns.mean() == pytest.approx(25.5, abs=0.5)
    assert len(rows) == pytest.approx(10 * 12, rel=0.2)


def test_predictions_of_trainings_that_do_not_exist(cohort, layout, capsys):
    verb(cohort, "plan", "--experiment", "fine_nnunet")
    assert (
        main(["predict", "--config", str(cohort), *run_arguments("fine_nnunet")]) == 1
    )
    message = capsys.readouterr().err
    assert "fine_nnunet/seed0/fold_0/checkpoint_final.pth does not exist" in message
    assert "deeprac train" in message


def test_weights_of_other_plans_are_refused(cohort, layout, capsys):
    plans = layout.model("fine_stn", 0) / "plans.json"
    content = read_json(plans)
    try:
        write_json(plans, read_json(layout.model("coarse_nnunet", 0) / "plans.json"))
        arguments = run_arguments("fine_stn")
        assert main(["predict", "--config", str(cohort), *arguments]) == 1
    finally:
        write_json(plans, content)
    message = capsys.readouterr().err
    assert "checkpoint_final.pth does not fit" in message
    assert "Train the fold again" in message


def test_a_held_out_case_that_is_not_in_the_cohort(cohort, layout, capsys):
    content = read_json(layout.splits)
    changed = [dict(content[0], val=["a4", "stranger"]), content[1]]
    try:
        write_json(layout.splits, changed)
        arguments = run_arguments("coarse_nnunet")
        assert main(["predict", "--config", str(cohort), *arguments]) == 1
    finally:
        write_json(layout.splits, content)
    assert "stranger" in capsys.readouterr().err
