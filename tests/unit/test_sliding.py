"""nnU-Net as it comes: its preprocessing, sliding window and way back."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.files import read_json
from deeprac.inference.load import load_predictor
from deeprac.inference.slice_predictor import SlicePredictor
from deeprac.inference.sliding import SlidingPredictor
from deeprac.labels import KIDNEY_AND_TUMOUR
from deeprac.layout import Layout
from deeprac.preprocessing.matrices import CONFIGURATION
from deeprac.preprocessing.preprocessor import preprocessor_of
from deeprac.training.plans import build_plans
from deeprac.volumes import read_volume
from support.fingerprints import fingerprint
from support.toy_cohort import (
    HELD_OUT,
    PLANNED_TOY,
    arrays,
    make_cohort,
    run_arguments,
    small_networks,
    verb,
    write_config,
)

CPU = torch.device("cpu")
TARGET_MM = (4.0, 0.9, 0.9)
DATASET = {"labels": KIDNEY_AND_TUMOUR.numbers}
COHORT = fingerprint((TARGET_MM, (4, 24, 16)))
"""Patches of 24 x 16 pixels."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


def planned(folder, dimensions):
    matrix = {"size": "planned", "batch_size": 2, "dimensions": dimensions}
    matrices = PLANNED_TOY["matrices"] | {"planned": matrix}
    path = write_config(folder, PLANNED_TOY | {"matrices": matrices})
    config = load_config([path])
    return build_plans(config, config.experiment("planned"), 0, COHORT)


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    return planned(tmp_path_factory.mktemp("plans"), 2)


class Grey(torch.nn.Module):
    """Kidney where the normalised image is above 1, tumour where it is above 3."""

    def forward(self, image):
        return torch.cat([torch.ones_like(image), image, 2 * image - 3], 1)


class Ramp(torch.nn.Module):
    """Kidney in the left part of every patch and tumour in its upper part."""

    def forward(self, image):
        rows, columns = torch.meshgrid(
            torch.linspace(1, -1, image.shape[2]),
            torch.linspace(1.5, -1, image.shape[3]),
            indexing="ij",
        )
        zero = torch.zeros_like(image)
        return torch.cat([zero, zero + columns, zero + rows], 1)


def known_predictor(plans):
    """A predictor whose network can be replaced by one with a known answer."""
    (name,) = plans["configurations"]
    configuration = PlansManager(plans).get_configuration(name)
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1,
        3,
        deep_supervision=False,
    )
    predictor = SlidingPredictor(plans, DATASET, network.state_dict(), CPU)
    predictor.window.network = Grey()
    return predictor


@pytest.fixture
def predictor(plans):
    return known_predictor(plans)


@pytest.fixture
def of_volumes(tmp_path):
    return known_predictor(planned(tmp_path, 3))


def scene(shape, spacing):
    """HU and labels of a kidney with a tumour, off the centre, drawn in millimetres.

    Mean 100 and SD 50: kidney 200 is 2 after normalisation, tumour 300 is 4.
    """
    z, y, x = (
        (np.arange(n) + 0.5) * mm
        for n, mm in zip(shape, spacing, strict=True)
    )  # fmt: skip
    y, x = y[None, :, None], x[None, None, :]
    deep = (z > spacing[0])[:, None, None]  # not in the first slice
    kidney = (np.abs(y - 24) < 9) & (np.abs(x - 10) < 6) & deep
    tumour = (np.abs(y - 29) < 4) & (np.abs(x - 7) < 3) & deep
    labels = np.where(tumour, 2, np.where(kidney, 1, 0)).astype(np.uint8)
    return np.choose(labels, (50, 200, 300)).astype(np.int16), labels


def dice(one, two):
    return 2 * (one & two).sum() / (one.sum() + two.sum())


def test_several_patches_answer_as_one_at_the_planned_spacing(predictor):
    """40 x 30 pixels need 3 x 3 patches; nothing is resampled, nothing may move."""
    image, labels = scene((3, 40, 30), TARGET_MM)
    before = image.copy()
    found = predictor.predict(image, TARGET_MM)
    assert found.labels.dtype == np.uint8
    assert np.array_equal(found.labels, labels)
    assert np.array_equal(image, before)


def test_convention_an_integer_shift_of_the_image_shifts_the_labels(predictor):
    image, labels = scene((3, 40, 30), TARGET_MM)
    for shift in ((0, 3, 0), (0, 0, 5), (1, -2, 4)):
        moved = predictor.predict(np.roll(image, shift, (0, 1, 2)), TARGET_MM)
        assert np.array_equal(moved.labels, np.roll(labels, shift, (0, 1, 2)))


@pytest.mark.parametrize("count", [3, 11])
def test_patches_of_volumes_answer_as_one(of_volumes, count):
    """Patches of 4 x 24 x 16: deeper than 3 slices, and a third as deep as 11."""
    assert of_volumes.configuration.patch_size == [4, 24, 16]
    image, labels = scene((count, 40, 30), TARGET_MM)
    assert np.array_equal(of_volumes.predict(image, TARGET_MM).labels, labels)
    image, labels = (
        np.roll(image, (1, -2, 4), (0, 1, 2)),
        np.roll(labels, (1, -2, 4), (0, 1, 2)),
    )
    assert np.array_equal(of_volumes.predict(image, TARGET_MM).labels, labels)


def test_volumes_return_to_an_anisotropic_native_grid(of_volumes):
    shape, spacing = (6, 20, 60), (8.0, 1.8, 0.45)
    image, labels = scene(shape, spacing)
    seen = of_volumes.preprocess(image, spacing)[0].shape
    assert seen == (1, 12, 40, 30)
    found = of_volumes.predict(image, spacing)
    assert found.labels.shape == shape
    assert (found.image_from_input == np.eye(2, 3)).all()
    assert len(found.image_from_input) == len(found.fallback) == len(image)
    for label in (1, 2):
        assert dice(labels == label, found.labels == label) > 0.85


def test_mirroring_of_volumes_is_along_all_axes(of_volumes):
    assert of_volumes.window.allowed_mirroring_axes == (0, 1, 2)


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((3, 80, 15), (4.0, 0.45, 1.8)), ((5, 20, 60), (2.0, 1.8, 0.45))],
)
def test_labels_return_to_an_anisotropic_native_grid(predictor, shape, spacing):
    image, labels = scene(shape, spacing)
    found = predictor.predict(image, spacing).labels
    assert found.shape == shape
    for label in (1, 2):
        truth, mine = labels == label, found == label
        assert dice(truth, mine) > 0.85
        centres = [np.argwhere(mask).mean(0) * spacing for mask in (truth, mine)]
        np.testing.assert_allclose(*centres, atol=0.5)  # mm


@pytest.mark.parametrize(
    ("shape", "spacing", "seen"),
    [
        ((3, 80, 15), (4.0, 0.45, 1.8), (1, 3, 40, 30)),
        ((5, 20, 60), (2.0, 1.8, 0.45), (1, 5, 40, 30)),
    ],
)
def test_the_network_sees_the_planned_spacing_and_all_slices(
    predictor, monkeypatch, shape, spacing, seen
):
    shapes = []

    def watch(data):
        shapes.append(tuple(data.shape))
        return window(data)

    window = predictor.window.predict_sliding_window_return_logits
    monkeypatch.setattr(predictor.window, "predict_sliding_window_return_logits", watch)
    predictor.predict(scene(shape, spacing)[0], spacing)
    assert shapes == [seen]


def test_images_smaller_than_a_patch_are_padded_and_cut_back(predictor):
    image, labels = scene((3, 40, 30), TARGET_MM)
    part = image[:, 24:, 4:14]  # 16 x 10 pixels, patches of 24 x 16
    found = predictor.predict(part, TARGET_MM).labels
    assert np.array_equal(found, labels[:, 24:, 4:14])


def test_what_is_cropped_as_zero_returns_as_background(predictor):
    image, labels = scene((3, 40, 30), TARGET_MM)
    image[:, :6], image[:, :, 26:], image[0] = 0, 0, 0
    assert np.array_equal(predictor.predict(image, TARGET_MM).labels, labels)


def test_transforms_are_identities(predictor):
    found = predictor.predict(*_whole())
    unmoved = np.eye(2, 3)[None].repeat(3, 0)
    assert np.array_equal(found.image_from_input, unmoved)
    assert np.array_equal(found.image_from_canonical, unmoved)


def _whole():
    return scene((3, 24, 16), TARGET_MM)[0], TARGET_MM


def test_mirroring_averages_over_all_flips_as_in_other_methods(predictor):
    predictor.window.network = Ramp()
    one_way = predictor.predict(*_whole()).labels
    predictor.settings["inference"] = {"mirroring": True}
    all_ways = predictor.predict(*_whole()).labels
    assert {0, 1, 2} == set(np.unique(one_way))
    # Rows average to 0, columns to 0.25 everywhere: kidney.
    assert (all_ways == 1).all()


@pytest.fixture(scope="module")
def preprocessed(plans):
    manager = PlansManager(plans)
    configuration = manager.get_configuration(CONFIGURATION)

    def run(image, labels, spacing):
        return preprocessor_of(configuration, -1000.0).run_case_npy(
            image[None],
            labels[None].astype(np.int8),
            {"spacing": list(spacing)},
            manager,
            configuration,
            {"labels": KIDNEY_AND_TUMOUR.numbers},
        )

    return run


def test_preprocessing_makes_the_planned_spacing_in_plane_and_keeps_slices(
    preprocessed,
):
    image, labels = scene((3, 80, 15), (4.0, 0.45, 1.8))
    data, seg, properties = preprocessed(image, labels, (4.0, 0.45, 1.8))
    assert data.shape == seg.shape == (1, 3, 40, 30)
    expected = scene((3, 40, 30), TARGET_MM)[1]
    for label in (1, 2):
        assert dice(seg[0] == label, expected == label) > 0.85
    assert data[0, 2, 24, 14] == pytest.approx(2, abs=0.1)  # kidney
    assert data[0, 2, 33, 7] == pytest.approx(4, abs=0.2)  # tumour
    assert properties["shape_before_cropping"] == (3, 80, 15)


def test_patches_may_centre_on_any_foreground_pixel(preprocessed):
    """Other than whole slices, whose foreground locations name only the slice."""
    image, labels = scene((3, 40, 30), TARGET_MM)
    _, _, properties = preprocessed(image, labels, TARGET_MM)
    for label in (1, 2):
        found = {tuple(pixel[1:]) for pixel in properties["class_locations"][label]}
        assert found == {tuple(pixel) for pixel in np.argwhere(labels == label)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Path of the configuration of a cohort with trained and predicted runs."""
    folder = tmp_path_factory.mktemp("runs")
    config, path = make_cohort(folder, PLANNED_TOY)
    for name in config.experiments:
        verb(path, "plan", *run_arguments(name)[:4])
        for stage in ("train", "predict", "evaluate"):
            verb(path, stage, *run_arguments(name))
    return path


EXPERIMENTS = ("planned", "planned_augment")


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_run_is_as_any_other(runs, experiment):
    layout = Layout.of(load_config([runs]))
    folder = layout.run(experiment, 0, 0)
    run = read_json(folder / "run.json")
    assert run["matrix"] == "planned"
    assert run["settings"]["matrix_size"] == [28, 36]
    assert run["settings"]["network_input_size"] == [28, 36]
    assert run["settings"]["batch_size"] == 2
    assert run["settings"]["optimiser"] == "adamw"
    assert run["cost"]["step_flops"] > 0
    (case,) = HELD_OUT
    native, native_grid = read_volume(layout.labels / f"{case}.nii.gz")
    found, grid = read_volume(folder / "predictions" / f"{case}.nii.gz")
    assert found.shape == native.shape
    for part in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(grid, part)() == getattr(native_grid, part)()
    table = pd.read_csv(folder / "transforms.csv")
    assert list(table["slice"]) == [0, 1, 2, 3]
    assert (table[["a11", "a22", "c11", "c22"]] == 1).all(axis=None)
    metrics = pd.read_csv(folder / "metrics.csv").set_index("label")
    assert metrics.coverage["kidney"] == 1


def test_the_stored_slices_are_nnunets(runs):
    layout = Layout.of(load_config([runs]))
    dataset = nnUNetDatasetBlosc2(str(layout.matrix("planned") / "slices"))
    data, seg, _, properties = dataset.load_case("a2")
    assert data.shape == seg.shape == (1, *arrays(1)[1].shape)
    assert np.array_equal(np.maximum(seg[0], 0), arrays(1)[1])
    assert len(properties["class_locations"][2])


def test_one_fingerprint_plans_preprocessing_training_and_cost(runs, capsys):
    layout = Layout.of(load_config([runs]))
    for experiment in EXPERIMENTS:
        plans = read_json(layout.model(experiment, 0) / "plans.json")
        two_d = plans["configurations"][CONFIGURATION]
        assert two_d["patch_size"] == plans["deeprac"]["matrix_size"]
        assert two_d["spacing"] == pytest.approx([0.9, 0.9])
    verb(runs, "cost", "--experiment", "planned")
    assert " 28x36 " in capsys.readouterr().out


def test_cost_without_a_fingerprint_says_what_is_missing(tmp_path, capsys):
    path = write_config(tmp_path, PLANNED_TOY)
    assert main(["cost", "--config", str(path)]) == 1
    message = capsys.readouterr().err
    assert "dataset_fingerprint.json" in message
    assert "Run `deeprac fingerprint`" in message
    verb(path, "cost", "--experiment", "fine_nnunet")


def test_the_plans_choose_the_predictor(runs):
    layout = Layout.of(load_config([runs]))
    kinds = {
        name: type(load_predictor(layout.model(name, 0), 0, CPU))
        for name in ("fine_nnunet", "planned")
    }
    assert kinds == {"fine_nnunet": SlicePredictor, "planned": SlidingPredictor}


def test_tables_name_the_patch(runs):
    layout = Layout.of(load_config([runs]))
    verb(runs, "summarise")
    verb(runs, "tables")
    sizes = pd.read_csv(layout.summary_runs, dtype=str).set_index("experiment")
    assert sizes.matrix_size.to_dict() == {
        "fine_nnunet": "32",
        "planned": "28x36",
        "planned_augment": "28x36",
    }
    text = (layout.tables / "all.md").read_text()
    assert "| 28x36, batch 2 | 28x36 | nnU-Net " in text
    assert "| 32, batch 2    |    32 | nnU-Net " in text
    assert "patches at a common spacing" in text


def test_predictions_are_deterministic(runs, tmp_path):
    layout = Layout.of(load_config([runs]))
    folder = layout.run("planned", 0, 0) / "predictions"
    shutil.copytree(folder, tmp_path / "first")
    verb(runs, "predict", *run_arguments("planned"))
    (case,) = HELD_OUT
    first, _ = read_volume(tmp_path / "first" / f"{case}.nii.gz")
    again, _ = read_volume(folder / f"{case}.nii.gz")
    assert np.array_equal(first, again)
