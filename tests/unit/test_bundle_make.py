"""Bundles of trained folds: what they say, what they hold, and what is refused."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from deeprac.bundle.archive import check_bundle, opened
from deeprac.cli import main
from deeprac.config import load_config
from deeprac.files import read_json, write_csv, write_json
from deeprac.inference.load import load_bundle, load_predictor
from deeprac.labels import KIDNEY_AND_TUMOUR
from deeprac.layout import Layout
from deeprac.surgery.choose_steps import HeldOut, choose
from deeprac.training.checkpoint import WEIGHTS, read_checkpoint
from deeprac.volumes import read_volume
from support.bundles import toy_plans, toy_weights
from support.toy_cohort import (
    HELD_OUT,
    TRAIN,
    arrays,
    copy_toy,
    run_arguments,
    small_networks,
    verb,
)

CPU = torch.device("cpu")
SPACING_MM = (4.0, 0.9, 0.9)
EXPERIMENT = "fine_stn_crop_half"
AGES = (1.5, 3.0, None, 9.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def toy(trained_toy, tmp_path_factory):
    """Configuration of a toy with a run that is predicted and evaluated."""
    path = copy_toy(trained_toy, tmp_path_factory.mktemp("bundled"))
    layout = Layout.of(load_config([path]))
    cases = pd.read_csv(layout.cases_csv)
    sizes = {"size_x": 34, "spacing_x_mm": 0.9, "spacing_z_mm": [4.0, 4.5, 5.0, 9.0]}
    volumes = {"kidney_ml": [10.0, 30.0, 20.0, 99.0], "tumour_ml": [5.0, 0.0, 7.0, 0.0]}
    write_csv(layout.cases_csv, cases.assign(**sizes, **volumes, age_years=AGES))
    medians = pd.DataFrame(
        {"case": cases.case, "kidney_median": [150.0, 160.0, 140.0, 9.0]}
    )
    layout.check.mkdir()
    write_csv(layout.check / "cases.csv", medians)
    for name in ("predict", "evaluate"):
        verb(path, name, *run_arguments(EXPERIMENT))
    return path


@pytest.fixture(scope="module")
def layout(toy):
    return Layout.of(load_config([toy]))


@pytest.fixture
def licence(tmp_path):
    path = tmp_path / "licence.txt"
    path.write_text("For research alone.\n")
    return path


def make(toy, target, *options, experiment=EXPERIMENT):
    arguments = ["--config", str(toy), "--experiment", experiment, "--to", str(target)]
    return main(["bundle", "make", *arguments, *map(str, options)])


@pytest.fixture(scope="module")
def bundle(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    (folder / "licence.txt").write_text("For research alone.\n")
    assert make(toy, folder / "toy.zip", "--licence", folder / "licence.txt") == 0
    return folder / "toy.zip"


def test_the_manifest_tells_training_ranges_and_held_out_metrics(bundle, layout):
    manifest = check_bundle(bundle)
    assert manifest["name"] == "phantom, not for patients"
    assert (manifest["frame"], manifest["intensity"]) == ("LPS", "hu")
    training = manifest["training"]
    assert (training["cases"], training["patients"]) == (len(TRAIN), len(TRAIN))
    # Of the three cases that it was trained on; the fourth is held out.
    expected = {
        "spacing_x_mm": [0.9, 0.9],
        "spacing_z_mm": [4.0, 5.0],
        "field_of_view_mm": [30.6, 30.6],
        "age_years": [1.5, 3.0],
        "kidney_ml": [10.0, 30.0],
        "tumour_ml": [0.0, 7.0],
        "kidney_hu": [140.0, 160.0],
    }
    assert set(training["ranges"]) == set(expected)
    for name, limits in expected.items():
        assert training["ranges"][name] == pytest.approx(limits), name
    table = pd.read_csv(layout.run(EXPERIMENT, 0, 0) / "metrics.csv").set_index("label")
    held_out = manifest["held_out"]
    assert (held_out["cases"], held_out["patients"]) == (len(HELD_OUT), len(HELD_OUT))
    dice = held_out["metrics"]["kidney"]["dice"]
    assert (dice["n"], dice["mean"]) == (1, pytest.approx(table.dice["kidney"]))
    assert dice["sd"] is None
    assert manifest["cost"]["seconds_per_slice"] > 0
    assert manifest["limits"][0].startswith("Trained on generated phantoms")
    codes = manifest["labels"]["tumour"]["terminology"]
    assert codes == {
        "scheme": "SCT",
        "category": "49755003",
        "type": "108369006",
        "region": "64033007",
    }


def test_checkpoints_hold_weights_and_three_entries(bundle, layout):
    trained = layout.run(EXPERIMENT, 0, 0) / "checkpoint_final.pth"
    with opened(bundle) as opened_bundle:
        content = opened_bundle.read("model/fold_0/checkpoint_final.pth")
    target = bundle.with_suffix(".pth")
    target.write_bytes(content)
    found = torch.load(target, weights_only=True)
    assert set(found) == {
        *(WEIGHTS, "trainer_name", "init_args", "inference_allowed_mirroring_axes")
    }
    assert found["init_args"] == {"configuration": "2d", "fold": 0}
    expected = read_checkpoint(trained)[WEIGHTS]
    assert all(torch.equal(found[WEIGHTS][key], expected[key]) for key in expected)
    assert len(content) < trained.stat().st_size


def test_nothing_in_it_names_the_machine_or_its_folders(bundle, layout):
    host = read_json(layout.run(EXPERIMENT, 0, 0) / "run.json")["host"]["name"]
    with zipfile.ZipFile(bundle) as archive:
        texts = [
            archive.read(name).decode()
            for name in archive.namelist()
            if not name.endswith(".pth")
        ]
    for text in texts:
        assert str(layout.root.parent) not in text
        assert f'"{host}"' not in text


def test_the_folds_of_a_bundle_segment_as_the_run_does(bundle, layout):
    image, _ = arrays(1)
    run = load_predictor(layout.model(EXPERIMENT, 0), 0, CPU)
    with opened(bundle) as opened_bundle:
        ensemble = load_bundle(opened_bundle, (0,), CPU)
    expected = run.predict(image, SPACING_MM).labels
    assert np.array_equal(ensemble.predict(image, SPACING_MM).labels, expected)


def test_post_processing_is_chosen_on_the_held_out_predictions(bundle, layout):
    """Of the one case that was held out: the steps are those that help there."""
    (case,) = HELD_OUT
    found, _ = read_volume(
        layout.run(EXPERIMENT, 0, 0) / "predictions" / f"{case}.nii.gz"
    )
    truth, _ = read_volume(layout.labels / f"{case}.nii.gz")
    expected = choose([lambda: HeldOut(found, truth, SPACING_MM)], KIDNEY_AND_TUMOUR)
    with opened(bundle) as opened_bundle:
        steps = opened_bundle.read_json("postprocessing.json")
    assert steps == expected.as_json()


def test_show_prints_the_card_and_json_the_manifest(bundle, capsys):
    assert main(["bundle", "show", str(bundle)]) == 0
    card = capsys.readouterr().out
    with zipfile.ZipFile(bundle) as archive:
        assert card == archive.read("README.md").decode()
        metadata = json.loads(archive.read("configs/metadata.json"))
    assert "| kidney, HU | 140 | 160 |" in card
    assert "not a medical device" in card
    channels = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert channels == {"0": "background", "1": "kidney", "2": "tumour"}
    assert main(["bundle", "show", str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folds"] == [0]


def test_the_same_run_makes_the_same_bytes(bundle, toy, tmp_path, licence):
    assert make(toy, tmp_path / "again.zip", "--licence", licence) == 0
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "none is given. Say --licence FILE"),
        (("--licence", "missing.txt"), "missing.txt is no file"),
        (("--folds", "1"), "does not exist. Run `deeprac train`"),
    ],
)
def test_refusals_leave_no_file(toy, tmp_path, licence, capsys, options, message):
    more = ("--licence", licence) if "--folds" in options else ()
    assert make(toy, tmp_path / "new.zip", *options, *more) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new.zip").exists()


def test_an_empty_licence_and_a_file_that_is_there_are_refused(
    toy, tmp_path, licence, capsys, bundle
):
    assert make(toy, bundle, "--licence", licence) == 1
    assert "is there already" in capsys.readouterr().err
    licence.write_text(" \n")
    assert make(toy, tmp_path / "new.zip", "--licence", licence) == 1
    assert "is empty. Write the licence into it" in capsys.readouterr().err


def test_a_run_that_is_not_evaluated_is_refused(toy, tmp_path, licence, capsys):
    target = tmp_path / "new.zip"
    assert make(toy, target, "--licence", licence, experiment="fine_stn") == 1
    assert "deeprac evaluate" in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.parametrize("nnunet", [(), ("--nnunet",)])
def test_an_oracle_is_never_bundled(
    toy, tmp_path, licence, capsys, monkeypatch, nnunet
):
    monkeypatch.setattr("deeprac.bundle.make.has_oracle", lambda *parts: True)
    target = tmp_path / "new"
    assert make(toy, target, "--licence", licence, *nnunet) == 1
    assert f"{EXPERIMENT} is told from the labels" in capsys.readouterr().err
    assert not target.exists()


def test_methods_of_whole_slices_cannot_be_given_to_stock_nnunet(
    toy, tmp_path, licence, capsys
):
    target = tmp_path / "folder"
    assert make(toy, target, "--nnunet", "--licence", licence) == 1
    assert "nnU-Net would seek in its own package" in capsys.readouterr().err
    assert not target.exists()


def test_stock_nnunet_loads_the_control_and_answers_alike(tmp_path, licence, capsys):
    """Its own folder loader, with mirroring as the plans say."""
    plans, dataset = toy_plans(tmp_path, "planned")
    config = load_config([tmp_path / "toy.yaml"])
    model = Layout.of(config).model("planned", 0)
    weights = {
        WEIGHTS: toy_weights(plans, 0),
        "trainer_name": "DeepracTrainer",
        "init_args": {},
        "inference_allowed_mirroring_axes": (0, 1),
    }
    write_json(model / "plans.json", plans)
    write_json(model / "dataset.json", dataset)
    (model / "fold_0").mkdir()
    torch.save(weights, model / "fold_0" / "checkpoint_final.pth")
    target = tmp_path / "stock"
    path, options = tmp_path / "toy.yaml", ["--nnunet", "--licence", licence]
    assert make(path, target, "--nnunet", experiment="planned") == 1
    assert "licence of its weights" in capsys.readouterr().err
    assert make(path, target, *options, experiment="planned") == 0
    assert "in the order LPS" in capsys.readouterr().out
    assert (target / "LICENSE").read_bytes() == licence.read_bytes()
    stock = nnUNetPredictor(device=CPU, allow_tqdm=False)
    stock.initialize_from_trained_model_folder(str(target), (0,))
    assert stock.allowed_mirroring_axes is None  # the plans mirror nothing
    image, _ = arrays(1)
    expected = stock.predict_single_npy_array(
        image[None].astype(np.float32), {"spacing": list(SPACING_MM)}
    )
    found = load_predictor(model, 0, CPU).predict(image, SPACING_MM).labels
    assert np.array_equal(found, expected)
