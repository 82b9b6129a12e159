"""Cohorts in nnU-Net's raw layout, versions 1 and 2, with one channel.

Version 2: ``dataset.json`` with ``channel_names``; images and labels are
``imagesTr/{case}_0000{ending}`` and ``labelsTr/{case}{ending}``, or where
``dataset.json`` lists them under ``dataset``. Version 1: ``dataset.json`` with
``modality`` and a list ``training``, files end in ``.nii.gz``.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deeprac.cohort import dataset_json, label_map
from deeprac.cohort.case_files import CaseFiles, FileReader, LabelMap
from deeprac.cohort.patients import Patient, patients_of
from deeprac.config import CohortConfig
from deeprac.errors import CohortError

Files = dict[str, tuple[Path, Path]]
"""Image and label by case."""


def open_nnunet_raw(config: CohortConfig) -> FileReader:
    """Read ``dataset.json`` and the table of patients, and list the cases.

    Raises:
        CohortError: the folder does not hold such a dataset, or the configuration
            does not fit it.
    """
    folder = Path(config.path)
    path = folder / "dataset.json"
    dataset = dataset_json.read_dataset(
        folder, "a folder in nnU-Net's raw layout: dataset.json, imagesTr, labelsTr"
    )
    if "modality" in dataset and "channel_names" not in dataset:
        names, files = _version_1(dataset, folder)
    else:
        dataset_json.require(dataset, ("channel_names", "labels", "file_ending"), path)
        dataset_json.refuse_channels(dataset["channel_names"], path)
        names = dataset_json.names_by_name(dataset["labels"], path)
        ending = dataset["file_ending"]
        files = (
            _mapped_files(dataset["dataset"], folder)
            if "dataset" in dataset
            else _files_in(folder, ending)
        )
    label_map.map_labels(names, config.labels)
    return file_reader(config, files, names)


def file_reader(
    config: CohortConfig, files: Files, names: Mapping[int, str]
) -> FileReader:
    """Read pairs of files; without a table every case is a patient of its own."""
    patients = patients_of(config, {case: Patient(case) for case in files})
    return FileReader(
        {
            case: CaseFiles(image, LabelMap(label, names), patients[case])
            for case, (image, label) in files.items()
        }
    )


def _version_1(
    dataset: Mapping[str, Any], folder: Path
) -> tuple[dict[int, str], Files]:
    """Names and files; the list has no ``_0000``, the images' files do."""
    path = folder / "dataset.json"
    dataset_json.require(dataset, ("labels", "training"), path)
    dataset_json.refuse_channels(dataset["modality"], path)
    listed = dataset_json.training_files(dataset, folder)
    files = {
        case: (image.with_name(f"{case}_0000.nii.gz"), label)
        for case, (image, label) in listed.items()
    }
    if not any(image.is_file() for image, _ in files.values()) and any(
        image.is_file() for image, _ in listed.values()
    ):
        raise CohortError(
            f"{path} is that of the Medical Segmentation Decathlon: its images have no "
            "_0000 before their ending. Set cohort.format to msd."
        )
    return dataset_json.names_by_number(dataset["labels"], path), files


def _mapped_files(cases: Any, folder: Path) -> Files:
    """Files that version 2 lists case by case, as nnU-Net resolves them."""
    path = folder / "dataset.json"
    files: Files = {}
    for number, (case, entry) in enumerate(cases.items(), start=1):
        images, label = entry.get("images"), entry.get("label")
        if not (isinstance(images, list) and len(images) == 1 and label):
            raise CohortError(
                f"{path}: entry {number} of 'dataset' must have a list of one image "
                "and a label. Correct it."
            )
        files[case] = tuple(
            folder / os.path.expandvars(file) for file in (images[0], label)
        )
    if not files:
        raise CohortError(f"{path} lists no cases under 'dataset'. Correct it.")
    return files


def _files_in(folder: Path, ending: str) -> Files:
    """All cases with an image or a label; the other may be missing."""
    images, labels = folder / "imagesTr", folder / "labelsTr"
    cases = _names_in(images, f"_0000{ending}")
    if not cases:
        raise CohortError(
            f"{images} holds no *_0000{ending}. Check cohort.path, and file_ending in "
            "its dataset.json."
        )
    return {
        case: (images / f"{case}_0000{ending}", labels / f"{case}{ending}")
        for case in sorted(cases | _names_in(labels, ending))
    }


def _names_in(folder: Path, ending: str) -> set[str]:
    """Names of files without their ending; archives leave hidden files behind."""
    return {
        path.name.removesuffix(ending)
        for path in folder.glob(f"*{ending}")
        if not path.name.startswith(".")
    }
