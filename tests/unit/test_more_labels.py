"""A cohort with cysts and kidneys left and right, from its source to its tables.

Four patients of 4 x 28 x 34 voxels: a body, two kidneys, a tumour on the left one and a
cyst on the right one, in a source whose numbers are not ours.
"""

import base64
import gzip

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import torch
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.files import read_json
from deeprac.inference.load import load_predictor
from deeprac.labels import CYST, CohortLabels
from deeprac.layout import Layout
from deeprac.reporting.figures.overlays import Overlay, draw
from deeprac.reporting.page.browser import browse
from deeprac.reporting.slices import read_slice
from deeprac.reporting.style import CONTOURS
from deeprac.reporting.summary import read_summary
from deeprac.training.run import build_trainer
from support.cohort_builders import volume, write_raw
from support.toy_cohort import run_arguments, small_networks, verb, write_config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("few_resamples", "coarse_pictures"),
]

PLAIN, AUGMENTED, STN = "coarse_nnunet", "coarse_nnunet_augment", "coarse_stn"
EXPERIMENTS = (PLAIN, AUGMENTED, STN)
SOURCE = {"background": 0, "r": 1, "l": 2, "c": 3, "t": 4}
NAMES = {"kidney_left": ["l"], "kidney_right": ["r"], "tumour": ["t"], "cyst": ["c"]}
OURS = CohortLabels(cysts=True, sides=True)
REGIONS = [
    "kidney",
    "tumour",
    "kidney_and_tumour",
    "masses",
    "kidney_and_masses",
    "kidney_left",
    "kidney_right",
]
SPACING_MM = (0.9, 0.9, 4.0)
VOXEL_ML = 0.9 * 0.9 * 4 / 1000


def patient(index):
    """CT and the source's label map; x grows to the patient's left."""
    rng = np.random.default_rng(index)
    label = np.zeros((4, 28, 34), np.uint8)
    label[1:, 12:18, 6:10] = SOURCE["r"]
    label[1:, 13:20, 23:28] = SOURCE["l"]
    label[2, 12:14, 6:8] = SOURCE["c"]
    label[2:, 10:14, 24 : 26 + index % 2] = SOURCE["t"]
    y, x = np.mgrid[:28, :34]
    body = ((x - 17) / 15) ** 2 + ((y - 14) / 12) ** 2 < 1
    image = np.where(body, 40, -1000) + rng.normal(0, 5, label.shape)
    for value, hounsfield in ((1, 180), (2, 185), (3, 5), (4, 90)):
        image[label == value] = hounsfield
    image[:, 15, 16] = -90
    return image.astype(np.int16), label


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """The source, an nnU-Net raw folder."""
    folder = tmp_path_factory.mktemp("raw")
    cases = {
        f"p{i}": tuple(volume(array, SPACING_MM) for array in patient(i))
        for i in range(4)
    }
    write_raw(folder, cases, labels=SOURCE)
    return folder


def sections(raw):
    return {
        "cohort": {
            "name": "four",
            "format": "nnunet_raw",
            "path": str(raw),
            "labels": NAMES,
            "pseudonyms": False,
        },
        "run": {"experiments": list(EXPERIMENTS), "folds": [0]},
        "stress": {
            "experiments": [PLAIN],
            "angles_deg": [30],
            "scales": [],
            "shifts": [],
        },
    }


@pytest.fixture(scope="module")
def path(raw, tmp_path_factory):
    """Configuration of the cohort, whose runs are all trained and predicted."""
    path = write_config(tmp_path_factory.mktemp("four"), sections(raw))
    for name in ("cohort", "splits", "fingerprint", "case-poses"):
        verb(path, name)
    verb(path, "preprocess", "--matrix", "coarse")
    for name in EXPERIMENTS:
        verb(path, "plan", "--experiment", name)
        for step in ("train", "predict", "evaluate", "diagnose"):
            verb(path, step, *run_arguments(name))
    verb(path, "stress", *run_arguments(PLAIN))
    verb(path, "summarise")
    verb(path, "summarise", "--what", "stress")
    verb(path, "summarise", "--what", "diagnostics")
    verb(path, "tables")
    return path


@pytest.fixture(scope="module")
def layout(path):
    return Layout.of(load_config([path]))


def read(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_the_cohort_has_its_own_numbers(layout):
    assert read_json(layout.dataset_json)["labels"] == OURS.numbers
    found, source = read(layout.labels / "p1.nii.gz"), patient(1)[1]
    for name, title in (("l", "kidney_left"), ("r", "kidney_right"), ("c", "cyst")):
        shown = found == OURS.numbers[title]
        assert np.array_equal(shown, source == SOURCE[name])
    row = pd.read_csv(layout.cases_csv).set_index("case").loc["p1"]
    kidneys = np.isin(source, (SOURCE["l"], SOURCE["r"])).sum()
    assert row.kidney_ml == pytest.approx(kidneys * VOXEL_ML)
    assert row.side == "left"


def test_slices_are_oversampled_for_every_label(layout):
    data = nnUNetDatasetBlosc2(str(layout.matrix("coarse") / "slices"))
    _, seg, _, properties = data.load_case("p0")
    assert set(np.unique(seg[:])) == set(OURS.numbers.values())
    assert set(properties["class_locations"]) == set(OURS.foreground.values())
    assert all(len(found) for found in properties["class_locations"].values())


def test_every_network_has_a_head_per_label(layout):
    for name in EXPERIMENTS:
        assert read_json(layout.model(name, 0) / "dataset.json")["labels"] == (
            OURS.numbers
        )
        checkpoint = torch.load(
            layout.run(name, 0, 0) / "checkpoint_final.pth", weights_only=False
        )
        heads = [
            len(weight)
            for key, weight in checkpoint["network_weights"].items()
            if "seg_layers" in key and key.endswith("bias")
        ]
        assert heads
        assert set(heads) == {5}


def test_training_curves_have_a_dice_per_label(layout):
    curve = pd.read_csv(layout.run(PLAIN, 0, 0) / "training.csv")
    dice = [name for name in curve if name.startswith("val_dice_")]
    assert dice == [f"val_dice_{title}" for title in OURS.foreground]


def test_predictions_hold_labels_of_the_cohort(layout):
    for name in EXPERIMENTS:
        for found in layout.model(name, 0).glob("fold_*/predictions/*.nii.gz"):
            assert set(np.unique(read(found))) <= set(OURS.numbers.values())


def test_one_row_per_region(layout):
    cases = pd.read_csv(layout.summary_cases)
    assert len(cases) == len(EXPERIMENTS) * 2 * len(REGIONS)
    for _, rows in cases.groupby(["experiment", "case"]):
        assert rows.label.tolist() == REGIONS
    case = cases.case[0]
    source = patient(int(case[1:]))[1]
    ml = cases[(cases.case == case) & (cases.experiment == PLAIN)]
    ml = ml.set_index("label").reference_volume_ml / VOXEL_ML
    count = {name: int((source == value).sum()) for name, value in SOURCE.items()}
    assert ml.to_dict() == pytest.approx(
        {
            "kidney": count["l"] + count["r"],
            "tumour": count["t"],
            "kidney_and_tumour": count["l"] + count["r"] + count["t"],
            "masses": count["t"] + count["c"],
            "kidney_and_masses": sum(count.values()) - count["background"],
            "kidney_left": count["l"],
            "kidney_right": count["r"],
        }
    )


def test_stress_compares_kidney_and_tumour(layout):
    table = pd.read_csv(layout.summary_stress)
    assert list(table.label.unique()) == ["kidney", "tumour"]
    assert (table.visible[table.kind == "none"] == 1).all()


def test_tables_of_the_paper_stay_and_statistics_list_every_region(layout):
    statistics = pd.read_csv(layout.tables / "statistics.csv")
    assert list(statistics.label.unique()) == REGIONS
    paper = pd.read_csv(layout.tables / "table1.csv")
    assert {"kidney_dice_mean", "tumour_dice_mean"} <= set(paper)
    assert not [name for name in paper if "cyst" in name or "left" in name]


def test_figures_and_page(path, layout):
    names = ["training_curves", "overlays", "stn_slices", "dice_by_method"]
    verb(path, "figures", "--only", *names)
    curves = pd.read_csv(layout.figures / "training_curves.csv")
    assert {"val_dice_kidney_right", "val_dice_cyst"} <= set(curves)
    assert (layout.figures / "overlays_coarse.png").is_file()


def test_the_page_offers_contours_of_cysts(path, layout):
    summary = read_summary(load_config([path]), layout)
    browser = browse(summary, summary.cohort(), budget=10**7)
    assert browser.labels == {"kidney": 1, "tumour": 2, "cyst": 3}
    embedded = gzip.decompress(base64.b64decode(browser.cases[0].reference))
    voxels = np.frombuffer(embedded, np.uint8, offset=352)
    assert set(np.unique(voxels)) == {0, 1, 2, 3}


def test_contours_unite_kidneys_and_tell_cysts_apart(layout):
    row = pd.read_csv(layout.cases_csv).iloc[0]
    axial = read_slice(layout.cohort, row, by=(CYST,))
    assert axial.z == 2
    assert set(np.unique(axial.label)) == {0, 1, 2, 3}
    assert (axial.label[:, :17] == 1).any()  # the right kidney, on the left
    assert (axial.label[:, 17:] == 1).any()
    ax = Figure().subplots()
    draw(Overlay(axial, axial.label, (-160, 240), "all labels"), ax=ax)
    colours = {to_hex(c.get_edgecolor()[0]).upper() for c in ax.collections}
    assert {CONTOURS[CYST].reference, CONTOURS[CYST].prediction} <= colours
    assert len(colours) == 6


def test_a_network_that_calls_everything_a_right_kidney(layout):
    """All voxels are kidney, all of the right one, none of the left one."""
    predictor = load_predictor(layout.model(PLAIN, 0), 0, torch.device("cpu"))
    for layer in predictor.network.network.decoder.seg_layers:
        layer.bias.data[OURS.numbers["kidney_right"]] = 1e6
    image, _ = patient(0)
    labels = predictor.predict(image, SPACING_MM[::-1]).labels
    assert (labels == 4).all()


@pytest.mark.parametrize(("sides", "mirrored"), [(False, True), (True, False)])
def test_kept_sides_are_never_mirrored(layout, sides, mirrored):
    """nnU-Net mirrors both axes of a slice and turns it by up to half a turn."""
    configure_nnunet(layout, workspace=layout.root, data_workers=0)
    plans = read_json(layout.model(AUGMENTED, 0) / "plans.json")
    dataset = {"labels": CohortLabels(cysts=True, sides=sides).numbers}
    dataset |= {"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"}
    trainer = build_trainer(plans, dataset, 0, torch.device("cpu"))
    found = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    rotation, dummy_2d, patch, axes = found
    assert axes == ((0, 1) if mirrored else None)
    assert trainer.inference_allowed_mirroring_axes == axes
    assert rotation == pytest.approx((-np.pi, np.pi))
    transforms = trainer.get_training_transforms(
        patch, rotation, None, axes, dummy_2d, use_mask_for_norm=[False],
        is_cascaded=False, foreground_labels=[1, 2, 3], regions=None, ignore_label=None,
    )  # fmt: skip
    kinds = [type(transform) for transform in transforms.transforms]
    assert (MirrorTransform in kinds) == mirrored
