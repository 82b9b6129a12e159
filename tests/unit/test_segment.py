"""`deeprac segment` as it is called: results, events, refusals and its end."""

import json
import signal
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.uid import generate_uid

from deeprac.cli import main
from deeprac.cohort.grid import Grid
from deeprac.inference.load import predictor_of
from deeprac.surgery.protocol import WITHHELD
from support.bundles import toy_bundle, toy_plans, toy_weights
from support.cohort_builders import ct_like
from support.dicom_builders import Series
from support.job_forks import python_of_forks
from support.toy_cohort import small_networks

HU = np.concatenate([ct_like(seed) for seed in range(3)])
SPACING_MM = (0.8, 0.8, 3.0)
NAME = "Nováková, Jana 2011-03-04"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def ct(tmp_path):
    """A CT whose axes are turned and tilted, under a patient's name."""
    image = sitk.GetImageFromArray(HU)
    image.SetSpacing(SPACING_MM)
    angle = np.radians(6.0)
    cos, sin = np.cos(angle), np.sin(angle)
    image.SetDirection((1, 0, 0, 0, cos, -sin, 0, sin, cos))
    path = tmp_path / f"{NAME}.nii.gz"
    sitk.WriteImage(sitk.DICOMOrient(image, "ASR"), str(path))
    return path


def segment(source, bundle, out, *options):
    return main(
        ["segment", str(source), "--bundle", str(bundle), "--out", str(out), *options]
    )


@pytest.mark.slow
def test_a_nifti_becomes_a_result_on_its_own_grid(ct, bundle, tmp_path, capfd):
    out, lines = tmp_path / "out", tmp_path / "events.jsonl"
    options = ("--events", str(lines), "--age", "4", "--timepoint", "diagnosis")
    assert segment(ct, bundle, out, *options, "--batch", "5") == 0
    labels, source = (sitk.ReadImage(str(p)) for p in (out / "labels.nii.gz", ct))
    assert Grid.of(labels).is_same_as(Grid.of(source))
    result = json.loads((out / "result.json").read_text())
    assert result["overall"] == "do not use"
    assert "phantom_model" in {flag["code"] for flag in result["flags"]}
    made = result["provenance"]
    assert (made["folds"], made["batch"]["used"]) == ([0, 1], 5)
    assert made["bundle"]["name"] == "toy"
    assert made["age_years"] == 4
    assert (made["verb"], made["timepoint"]) == ("segment", "diagnosis")
    assert (
        "note: the axes are turned by 6.0 degrees; taken as axial" in made["findings"]
    )
    # A model of phantoms is not to be used.
    assert set(pd.read_csv(out / "protocol.csv").finding) == {WITHHELD}
    assert set(made["fold_dice"]) == {"kidney", "tumour"}
    assert len(pd.read_csv(out / "protocol.csv")) > 0
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert kinds.index("estimate") < kinds.index("finished")
    assert {"device", "folds"} <= set(kinds)
    fractions = [e["fraction"] for e in events if e["event"] == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    shown = capfd.readouterr()
    texts = [shown.out, shown.err, lines.read_text()]
    texts += [p.read_text(errors="replace") for p in out.rglob("*") if p.is_file()]
    assert not any("Novákov" in text for text in texts)


@pytest.mark.slow
def test_dicom_gives_the_same_labels_as_nifti_and_a_dicom_seg(bundle, tmp_path):
    """What the networks say does not depend on format, orientation or --out."""
    series = Series(HU, spacing_mm=SPACING_MM, patient="Novakova^Jana")
    series.write(tmp_path / "dicom")
    nifti = tmp_path / "ct.nii.gz"
    sitk.WriteImage(sitk.DICOMOrient(series.grid.volume(HU), "SAL"), str(nifti))
    assert segment(tmp_path / "dicom", bundle, tmp_path / "a", "--dicom-seg") == 0
    assert segment(nifti, bundle, tmp_path / "b") == 0
    one, two = (
        sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / x / "labels.nii.gz")), "LPS")
        for x in "ab"
    )
    assert np.array_equal(*map(sitk.GetArrayViewFromImage, (one, two)))
    assert (tmp_path / "a" / "segmentation.dcm").is_file()
    assert "Novakova" not in (tmp_path / "a" / "result.json").read_text()


@pytest.mark.slow
def test_the_dicom_seg_is_of_the_chosen_series(bundle, tmp_path):
    """Two phases of one study on one grid."""
    early = Series(
        HU, spacing_mm=SPACING_MM, tags={"SeriesDescription": "arterial phase"}
    )
    late = replace(
        early,
        series_uid=generate_uid(),
        tags={"SeriesDescription": "venous phase"},
    )
    for name, series in (("a", early), ("b", late)):
        series.write(tmp_path / "dicom" / name)
    options = ("--series", "venous", "--dicom-seg", "--folds", "0")
    assert segment(tmp_path / "dicom", bundle, tmp_path / "out", *options) == 0
    (referenced,) = dcmread(tmp_path / "out/segmentation.dcm").ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == late.series_uid


@pytest.mark.parametrize(
    "option",
    [("--age", "nan"), ("--age", "-1"), ("--margin", "-3"), ("--margin", "inf"),
     ("--series", "(")],
)  # fmt: skip
def test_arguments_that_cannot_be(ct, bundle, tmp_path, capfd, option):
    with pytest.raises(SystemExit, match="2"):
        segment(ct, bundle, tmp_path / "out", *option)
    error = capfd.readouterr().err
    assert f"argument {option[0]}: " in error
    assert "cohort" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_slicer_reads_its_own_tags_on_standard_output(ct, bundle, tmp_path, capfd):
    assert segment(ct, bundle, tmp_path / "out", "--slicer-cli", "--folds", "1") == 0
    lines = capfd.readouterr().out.splitlines()
    assert all(line.startswith("<filter-") for line in lines)
    assert "<filter-comment>folds: 1</filter-comment>" in lines


@pytest.mark.long
def test_a_chest_without_kidneys_is_not_used(shared_data, bundle, tmp_path):
    chest = shared_data / "bad" / "no_kidney"
    assert segment(chest, bundle, tmp_path / "out", "--folds", "0") == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["overall"] == "do not use"
    assert {"tumour_fragments", "kidney_count"} & {f["code"] for f in result["flags"]}


def refusals(ct, bundle, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").touch()
    file = tmp_path / "file"
    file.touch()
    empty = tmp_path / "empty"
    empty.mkdir()
    out = tmp_path / "out"
    return {
        "missing input": ((tmp_path / "no.nii.gz", bundle, out), "the file is missing"),
        "no bundle": ((ct, ct, out), "is no bundle"),
        "no DICOM": ((empty, bundle, out), "holds no DICOM"),
        "full folder": ((ct, bundle, full), "is not empty"),
        "a file": ((ct, bundle, file), "a folder"),
        "fold": ((ct, bundle, out, "--folds", "7"), "has no fold 7; it has 0, 1"),
        "GPU": ((ct, bundle, out, "--device", "cuda"), "say --device cpu"),
        "long name": (
            (tmp_path / f"{300 * 'x'}.nii.gz", bundle, out),
            "a file cannot be read (File name too long)",
        ),
        "long folder": ((ct, bundle, tmp_path / (300 * "x")), "File name too long"),
        "DICOM-SEG": ((ct, bundle, out, "--dicom-seg"), "Give a DICOM folder"),
    }


@pytest.mark.parametrize(
    "what",
    ["missing input", "no bundle", "no DICOM", "full folder", "a file", "fold", "GPU",
     "long name", "long folder", "DICOM-SEG"],
)  # fmt: skip
def test_refusals_are_one_message_and_leave_nothing(
    ct, bundle, tmp_path, capfd, monkeypatch, what
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    arguments, message = refusals(ct, bundle, tmp_path)[what]
    before = sorted(tmp_path.rglob("*"))
    assert segment(*arguments) == 1
    error = capfd.readouterr().err
    assert error.count("deeprac segment: error: ") == 1
    assert message in error
    assert "Traceback" not in error
    assert sorted(tmp_path.rglob("*")) == before


def test_too_little_memory_is_told_before_the_run(
    ct, bundle, tmp_path, capfd, monkeypatch
):
    monkeypatch.setattr(
        "psutil.virtual_memory", lambda: type("M", (), {"available": 0})
    )
    assert segment(ct, bundle, tmp_path / "out") == 1
    assert "and 0.0 GiB are free. Crop it" in capfd.readouterr().err


def test_what_libraries_say_goes_to_the_private_log_alone(
    ct, bundle, tmp_path, capfd, monkeypatch
):
    def talkative(path):
        raise ValueError(f"cannot digest {path}")

    monkeypatch.setattr("deeprac.cohort.volume_files.read_volume", talkative)
    log = tmp_path / "private.log"
    assert segment(ct, bundle, tmp_path / "out", "--private-log", str(log)) == 1
    assert "Novákov" not in capfd.readouterr().err
    assert "cannot digest" in log.read_text()
    assert segment(ct, bundle, tmp_path / "out") == 1
    assert "ValueError" in capfd.readouterr().err


def test_one_fold_equals_what_predict_says(ct, bundle, tmp_path):
    """Kidneys and tumours of the result, united again, are the network's labels."""
    plans, dataset = toy_plans(tmp_path / "plans", "fine_stn_crop_half")
    import torch  # noqa: PLC0415

    weights = toy_weights(plans, 1)
    predictor = predictor_of(plans, dataset, weights, torch.device("cpu"))
    expected = predictor.predict(HU, SPACING_MM[::-1]).labels
    options = ("--folds", "1", "--no-postprocessing")
    assert segment(ct, bundle, tmp_path / "out", *options) == 0
    label = sitk.ReadImage(str(tmp_path / "out" / "labels.nii.gz"))
    found = sitk.GetArrayFromImage(sitk.DICOMOrient(label, "LPS"))
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    tumours = [s["number"] for s in result["structures"] if s["kind"] == "tumour"]
    specks = (expected == 2) & ~np.isin(found, tumours)
    united = np.where(np.isin(found, tumours), 2, (found > 0).astype(np.uint8))
    assert np.array_equal(np.where(specks, 2, united), expected)


@pytest.mark.slow
@pytest.mark.parametrize("at", ["started", "device", "progress"])
def test_sigterm_ends_it_without_half_a_result(ct, bundle, tmp_path, at):
    out = tmp_path / "out"
    command = [
        *(python_of_forks(), "-m", "deeprac", "segment", str(ct), "--events", "-"),
        *("--bundle", str(bundle), "--out", str(out)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if json.loads(line)["event"] == at:
                break
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 143
    assert "ended from outside" in rest
    assert not out.exists()
