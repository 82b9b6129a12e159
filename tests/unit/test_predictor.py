"""Prediction of whole cases on a toy cohort, with networks that need no training."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from test_checkpoint import Payload

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import MetricsError
from deeprac.files import read_json, write_csv, write_json
from deeprac.inference.load import load_predictor, oracle_input_of
from deeprac.inference.slice_predictor import mirrored
from deeprac.layout import Layout
from deeprac.networks.front_end import Supervision
from deeprac.networks.locating_unet import PlainNetwork
from deeprac.provenance import digest
from deeprac.records.case_poses import POSES_COLUMNS
from deeprac.records.made_with import MADE_WITH
from deeprac.records.transforms import transform_table
from deeprac.training.checkpoint import WEIGHTS, read_checkpoint
from deeprac.volumes import read_volume
from support.toy_cohort import (
    HELD_OUT,
    arrays,
    copy_toy,
    run_arguments,
    small_networks,
    verb,
)

METHODS = ("coarse_nnunet", "fine_stn", "fine_stn_crop_half")
SPACING_MM = (4.0, 0.9, 0.9)
CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def cohort(trained_toy, tmp_path_factory):
    """Configuration file of a toy cohort with one trained run per method."""
    path = copy_toy(trained_toy, tmp_path_factory.mktemp("predicted"))
    for name in METHODS:
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
        *(f"{letter}{entry}" for letter in "acs" for entry in entries),
        *("fallback", "at_bound", "crop_grown", "crop_fallback"),
        *("ceiling_kidney", "ceiling_tumour", MADE_WITH),
    ]
    run = read_json(path.with_name("run.json"))
    expected = {"training": run["config_sha256"], "mirroring": False}
    assert set(table[MADE_WITH]) == {digest(expected)}
    assert (table[["fallback", "at_bound"]] == 0).all(axis=None)
    assert table[["crop_grown", "crop_fallback"]].isin([0, 1]).all(axis=None)
    assert table["slice"].tolist() == [0, 1, 2, 3]
    assert set(table["case"]) == set(HELD_OUT)
    a = table.loc[:, "a11":"a23"].to_numpy().reshape(-1, 2, 3)
    c = table.loc[:, "c11":"c23"].to_numpy().reshape(-1, 2, 3)
    s = table.loc[:, "s11":"s23"].to_numpy().reshape(-1, 2, 3)
    if "stn" not in experiment:
        assert all((matrix == np.eye(2, 3)).all() for matrix in (a, c, s))
        return
    # The slices of a case agree; alone they differ by the noise of their images.
    assert (a == a[0]).all()
    assert (c == c[0]).all()
    assert (s != s[0]).any()
    np.testing.assert_allclose(s, c, atol=0.02)
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
    weights = read_checkpoint(path.with_name("checkpoint_final.pth"))[WEIGHTS]
    half_side = weights["crop.half_side"].item()
    np.testing.assert_allclose(
        crop, crop[0, 0, 0] * np.eye(2)[None].repeat(4, 0), atol=1e-5
    )
    # The window grows where what the untrained coarse segmentation finds needs it.
    assert half_side - 1e-5 <= crop[0, 0, 0] <= 1


def test_convention_transforms_are_rows_of_a_matrix(layout):
    """The centre of the input, (0, 0), lies in the slice at (a13, a23)."""
    predictor = load_predictor(layout.model("fine_stn", 0), 0, CPU)
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
    predictor = load_predictor(model, 0, CPU)
    image, _ = arrays(1)
    before = image.copy()
    predictor.settings["inference"]["batch_size"] = 3  # 4 slices: 3 and 1
    batched = predictor.predict(image, SPACING_MM)
    predictor.settings["inference"]["batch_size"] = 1
    single = predictor.predict(image, SPACING_MM)
    assert np.mean(batched.labels != single.labels) < 1e-3
    for name in ("image_from_input", "image_from_canonical", "image_from_single"):
        one, two = getattr(batched, name), getattr(single, name)
        assert np.array_equal(one, two)  # located all at once, whatever the batches
    assert np.array_equal(image, before)


@pytest.mark.parametrize("experiment", METHODS)
def test_a_case_of_one_slice(layout, experiment):
    predictor = load_predictor(layout.model(experiment, 0), 0, CPU)
    image, _ = arrays(1)
    alone = predictor.predict(image[2:3], SPACING_MM)
    assert alone.labels.shape == (1, 28, 34)
    # Nobody to agree with: similarities are taken apart and put together again.
    np.testing.assert_allclose(
        alone.image_from_canonical, alone.image_from_single, atol=1e-6
    )
    whole = predictor.predict(image, SPACING_MM)
    np.testing.assert_allclose(
        alone.image_from_single[0], whole.image_from_single[2], atol=1e-5
    )


class Ramp(torch.nn.Module):
    """Logits that know left from right: the image times its columns and rows."""

    def forward(self, image):
        rows = torch.arange(image.shape[2])[:, None] / 10.0
        columns = torch.arange(image.shape[3]) ** 2 / 100.0
        return torch.cat([image, image * columns, image * rows], 1)


@pytest.fixture
def predictor(layout):
    return load_predictor(layout.model("coarse_nnunet", 0), 0, CPU)


def segment(predictor, batch):
    return predictor.segment(batch, predictor.network.locate(batch))


def test_mirroring_is_the_mean_of_the_four_flips(predictor):
    predictor.network = PlainNetwork(Ramp())
    batch = torch.rand(2, 1, 32, 32)
    plain = segment(predictor, batch)
    torch.testing.assert_close(plain, Ramp()(batch))
    predictor.settings["inference"]["mirroring"] = True
    mean = segment(predictor, batch)
    views = [Ramp()(batch)]
    views += [Ramp()(batch.flip(axes)).flip(axes) for axes in ([2], [3], [2, 3])]
    torch.testing.assert_close(mean, sum(views) / 4)
    assert (mean - plain).abs().max() > 0.1


def test_mirroring_changes_nothing_for_a_network_that_is_equivariant(predictor):
    predictor.network = PlainNetwork(torch.nn.Conv2d(1, 3, 1))
    batch = torch.rand(2, 1, 32, 32)
    plain = segment(predictor, batch)
    predictor.settings["inference"]["mirroring"] = True
    torch.testing.assert_close(segment(predictor, batch), plain)


@pytest.fixture
def cropping(layout):
    """A predictor with normaliser and crop that look off the centre, and turned."""
    predictor = load_predictor(layout.model("fine_stn_crop_half", 0), 0, CPU)
    torch.manual_seed(2)
    torch.nn.init.normal_(predictor.network.normaliser.localiser.output.weight)
    predictor.network.crop.half_side.fill_(0.5)
    return predictor


def matrix_slices(predictor):
    """(4, 1, 32, 32) as the network sees them."""
    return predictor.preprocess(arrays(1)[0], SPACING_MM)[0][0][:, None]


@pytest.mark.parametrize("axes", [[2], [3], [2, 3]])
def test_convention_mirrored_is_where_to_look_in_mirrored_slices(cropping, axes):
    """A U-Net without left and right answers the same, mirrored."""
    network = cropping.network
    network.unet = torch.nn.Conv2d(1, 3, 1)
    slices = matrix_slices(cropping)
    with torch.inference_mode():
        located = network.locate(slices)
        located = replace(located, canonical_from_crop=CROP.expand(4, 2, 3))
        assert located.image_from_input[0, 0, 1].abs() > 0.01  # turned
        assert located.coarse_logits is not None
        plain = network.segment(slices, located)
        other = network.segment(slices.flip(axes), mirrored(located, axes))
    flipped = other.flip(axes)
    # Which pixels the view sees is decided at its edge, to rounding.
    edge = ((flipped - plain).abs() > 1e-3).any(1).float().mean()
    assert edge < 0.01
    assert (flipped - plain).abs().median() < 1e-5
    assert (other - plain).abs().mean() > 0.05  # which not mirroring would not give


CROP = torch.tensor([[[0.5, 0.0, 0.2], [0.0, 0.5, -0.1]]])


def test_mirroring_looks_at_the_same_place(cropping):
    """All four views are of what was located once, in the upright slices."""
    batch = matrix_slices(cropping)
    cropping.settings["inference"]["mirroring"] = True
    seen, forward = [], cropping.network.unet.forward

    def look(view):
        seen.append(view)
        return forward(view)

    cropping.network.unet.forward = look
    with torch.inference_mode():
        segment(cropping, batch)
    assert len(seen) == 4
    for view, axes in zip(seen[1:], ([3], [2], [2, 3]), strict=True):
        torch.testing.assert_close(view.flip(axes), seen[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("experiment", METHODS)
def test_only_an_oracle_has_an_input(layout, experiment, tmp_path):
    settings = load_predictor(layout.model(experiment, 0), 0, CPU).settings
    oracle_input = oracle_input_of(settings, tmp_path / "must_not_be_read.csv")
    assert oracle_input("a1", 4) is None


TURNED = np.array([[0.8, -0.1, 0.2], [0.1, 0.8, 0.3]])


@pytest.mark.parametrize(
    ("normaliser", "crop", "is_oracle"),
    [
        ("oracle", "none", True),
        ("case_pose", "none", True),
        ("stn", "oracle", True),
        ("stn", "stn", False),
    ],
)
def test_only_the_poses_oracle_is_told_the_truth(tmp_path, normaliser, crop, is_oracle):
    parts = {"normaliser": normaliser, "crop": crop}
    settings = {"matrix_size": 64, "front_end": parts}
    outline = np.random.default_rng(0).uniform(-1, 1, (16, 2))
    nothing = np.full((2, 3), np.nan)
    rows = [
        ["known", *np.eye(2, 3).ravel(), *TURNED.ravel(), *outline.ravel()],
        ["unknown", *2 * np.eye(2, 3).ravel(), *nothing.ravel(), *outline.ravel()],
    ]
    table, path = pd.DataFrame(rows, columns=list(POSES_COLUMNS)), tmp_path / "poses"
    write_csv(path, table[:1] if normaliser == "oracle" else table)
    oracle_input = oracle_input_of(settings, path)
    known = oracle_input("known", 3)
    assert (known is not None) == is_oracle
    if not is_oracle:
        return
    expected = TURNED if normaliser == "oracle" else np.eye(2, 3)
    assert known.image_from_canonical.dtype == torch.float32
    np.testing.assert_allclose(
        known.image_from_canonical, [expected] * 3, rtol=1e-6, atol=1e-7
    )
    np.testing.assert_allclose(known.outline, [outline] * 3, rtol=1e-6)
    if normaliser == "oracle":
        write_csv(path, table)
        with pytest.raises(MetricsError, match=r"unknown has none\. .* case_pose"):
            oracle_input_of(settings, path)
        return
    unknown = oracle_input("unknown", 1).image_from_canonical[0]
    np.testing.assert_allclose(unknown, 2 * np.eye(2, 3))


def test_an_oracles_input_goes_to_its_device():
    known = Supervision(torch.eye(2, 3)[None], torch.zeros(1, 16, 2))
    there = known.to(torch.device("meta"))
    assert there.image_from_canonical.device.type == "meta"
    assert there.outline.device.type == "meta"


def test_fallback_and_bounds_are_counted_slice_by_slice(layout):
    predictor = load_predictor(layout.model("fine_stn", 0), 0, CPU)
    image, _ = arrays(1)
    image[1] = -1000
    image[3, 20:] = -1000  # cut, still a body
    found = predictor.predict(image, SPACING_MM)
    assert found.fallback.tolist() == [False, True, False, False]
    table = transform_table("a2", found, {})
    assert table["fallback"].tolist() == [0, 1, 0, 0]
    single = table.loc[:, "s11":"s23"].to_numpy().reshape(-1, 2, 3)
    assert (single[1] == np.eye(2, 3)).all()
    assert (single[[0, 2, 3]] != np.eye(2, 3)).any((1, 2)).all()
    # The empty slice follows the others instead of staying where it is.
    common = table.loc[:, "c11":"c23"].to_numpy()
    assert (common == common[0]).all()
    torch.nn.init.constant_(predictor.network.normaliser.localiser.output.bias, 9.0)
    found = predictor.predict(image, SPACING_MM)
    assert found.at_bound.tolist() == [True, False, True, True]
    assert transform_table("a2", found, {})["at_bound"].tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize("experiment", METHODS)
def test_a_case_of_air_is_segmented_and_counted(layout, experiment):
    predictor = load_predictor(layout.model(experiment, 0), 0, CPU)
    found = predictor.predict(np.full((3, 28, 34), -1000, np.int16), SPACING_MM)
    assert found.labels.shape == (3, 28, 34)
    assert (found.image_from_canonical == np.eye(2, 3)).all()
    assert (np.linalg.det(found.image_from_input[:, :, :2]) > 0).all()
    assert found.fallback.tolist() == [experiment != "coarse_nnunet"] * 3


@pytest.mark.parametrize(
    # Normalisation clips the infinite to the densest and the lightest of the cohort.
    ("value", "counted"),
    [(np.nan, True), (np.inf, False), (-np.inf, False)],
)
@pytest.mark.parametrize("experiment", METHODS[1:])
def test_a_value_that_is_no_number_costs_its_slice_its_vote(
    layout, experiment, value, counted
):
    predictor = load_predictor(layout.model(experiment, 0), 0, CPU)
    image = arrays(1)[0].astype(np.float32)
    clean = predictor.predict(image, SPACING_MM)
    image[2, 3, 4] = value
    found = predictor.predict(image, SPACING_MM)
    assert found.fallback.tolist() == [False, False, counted, False]
    others = [0, 1, 3]
    assert np.array_equal(
        found.image_from_single[others], clean.image_from_single[others]
    )
    # Three slices vote instead of four, which differ by the noise of their images.
    np.testing.assert_allclose(
        found.image_from_canonical, clean.image_from_canonical, atol=0.02
    )
    assert np.isfinite(found.image_from_input).all()


def test_convention_labels_come_back_to_the_native_place(predictor):
    """A network that answers "kidney" where it is bright, on a slice of 28 x 34."""

    class Bright(torch.nn.Module):
        def forward(self, image):
            kidney = 10 * (image > 0).float()
            return torch.cat([5 + 0 * image, kidney, 0 * image], 1)

    predictor.network = PlainNetwork(Bright())
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


def test_code_in_the_weights_is_not_run(cohort, layout, capsys, tmp_path):
    path = layout.run("coarse_nnunet", 0, 0) / "checkpoint_final.pth"
    content, flag = path.read_bytes(), tmp_path / "was_run"
    path.unlink()  # the resume checkpoint is the same file
    try:
        torch.save({"network_weights": Payload(flag)}, path)
        arguments = run_arguments("coarse_nnunet")
        assert main(["predict", "--config", str(cohort), *arguments]) == 1
    finally:
        path.write_bytes(content)
    assert not flag.exists()
    assert "code or objects other than weights" in capsys.readouterr().err


def test_weights_that_are_cut_are_named_with_what_to_do(cohort, layout, capsys):
    path = layout.run("coarse_nnunet", 0, 0) / "checkpoint_final.pth"
    content = path.read_bytes()
    try:
        path.write_bytes(content[: len(content) // 2])
        arguments = run_arguments("coarse_nnunet")
        assert main(["predict", "--config", str(cohort), *arguments]) == 1
    finally:
        path.write_bytes(content)
    message = capsys.readouterr().err
    assert f"{path} cannot be read: it is cut short or damaged" in message
    assert "delete it and train the fold again" in message


@pytest.mark.parametrize("verb", ["predict", "stress"])
def test_a_full_gpu_names_experiment_and_key(cohort, layout, capsys, monkeypatch, verb):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr("deeprac.inference.predictor.Predictor.predict", full)
    arguments = run_arguments("coarse_nnunet")
    assert main([verb, "--config", str(cohort), *arguments]) == 1
    message = capsys.readouterr().err
    assert "coarse_nnunet" in message
    assert "Lower inference.batch_size" in message
    assert "Traceback" not in message


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
