"""No name of a patient in what the workflow leaves: results, logs, Snakemake's records.

``tests/unit/test_privacy.py`` tries every way in which a name could get out.
"""

import gzip
import json
import re

import numpy as np
import SimpleITK as sitk

from support.checkout import snakemake, working_folder

NAMES = ("MUSTERMANN^Erika_19800102", "1.2.840.113619.2.55.3")
PLANTED = re.compile(r"MUSTERMANN|Erika|19800102|1\.2\.840", re.IGNORECASE)


def write_cohort(folder):
    """Two cases in nnU-Net's raw layout, with names in file names and headers."""
    image = np.full((4, 9, 12), -1000, np.int16)
    label = np.zeros(image.shape, np.uint8)
    image[:, 1:8, 2:11] = 40
    image[1:3, 4:6, 7:10], label[1:3, 4:6, 7:10] = 180, 1
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True)
    for number, name in enumerate(NAMES):
        image[0, 0, number] = -990  # no image is there twice
        for path, array in (
            (folder / "imagesTr" / f"{name}_0000.nii.gz", image),
            (folder / "labelsTr" / f"{name}.nii.gz", label),
        ):
            volume = sitk.GetImageFromArray(array)
            volume.SetMetaData("ITK_FileNotes", name)
            sitk.WriteImage(volume, str(path))
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "kidney": 1},
        "numTraining": len(NAMES),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(dataset))


def leaks(folder, output):
    """Files outside of the input and the private folder that hold a name."""
    texts = {"output": output.encode()}
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if place.parts[0] not in ("input", "private") and path.is_file():
            content = path.read_bytes()
            unpacked = gzip.decompress(content) if path.suffix == ".gz" else b""
            texts[str(place)] = str(place).encode() + content + unpacked
    return [
        place
        for place, text in texts.items()
        if PLANTED.search(text.decode(errors="replace"))
    ]


def test_results_logs_and_records_name_nobody(tmp_path):
    working_folder(tmp_path)
    write_cohort(tmp_path / "input")
    (tmp_path / "own.yaml").write_text(
        "cohort: {name: own, format: nnunet_raw, path: input}\nsplits: {folds: 2}\n"
    )
    target = ("results/own/splits_final.json", "--cores", "2")
    good = snakemake(tmp_path, *target, "--configfile", "own.yaml")
    assert good.returncode == 0, good.stdout
    assert leaks(tmp_path, good.stdout) == []
    cut = tmp_path / f"input/imagesTr/{NAMES[0]}_0000.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-30])
    forced = ("--forcerun", "cohort", "--configfile", "own.yaml")
    bad = snakemake(tmp_path, *target, *forced)
    assert bad.returncode != 0
    assert "1 of 2 cases cannot be used" in bad.stdout
    assert leaks(tmp_path, bad.stdout) == []
    # The scan reads what it should: logs, records and the converted images.
    assert list(tmp_path.glob(".snakemake/log/*.log"))
    assert list(tmp_path.glob("**/cohort.log"))
    assert list(tmp_path.glob("results/own/cohort/imagesTr/case_*.nii.gz"))
