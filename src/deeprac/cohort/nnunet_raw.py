"""Cohorts in nnU-Net's raw layout, versions 1 and 2, and the Decathlon's before it.

Version 2: ``dataset.json`` with ``channel_names``; images and labels are
``imagesTr/{case}_0000{ending}`` and ``labelsTr/{case}{ending}``, or where
``dataset.json`` lists them under ``dataset``. Version 1: ``dataset.json`` with
``modality`` and a list ``training``, files end in ``.nii.gz``. The Medical Segmentation
Decathlon is like version 1, but its images are ``imagesTr/{case}.nii.gz``.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deeprac.cohort import dataset_json, label_map
from deeprac.cohort.case_files import CaseFiles, listed
from deeprac.cohort.nnunet_labels import (
    NnunetLabels,
    numbered_labels,
    read_labels,
)
from deeprac.cohort.patients import Patient
from deeprac.cohort.reader import ListedCase
from deeprac.errors import CohortError
from deeprac.files import composed, on_disk
from deeprac.settings.cohort import CohortConfig

Files = dict[str, tuple[Path, Path]]
"""Image and label by case."""


def open_nnunet_raw(config: CohortConfig) -> dict[str, ListedCase]:
    """Read ``dataset.json`` and the table of patients, and list the cases.

    Raises:
        CohortError: the folder does not hold such a dataset, or the configuration
            does not fit it.
    """
    folder = config.source_path
    path = folder / "dataset.json"
    dataset = dataset_json.read_dataset(
        folder, "a folder in nnU-Net's raw layout: dataset.json, imagesTr, labelsTr"
    )
    if "modality" in dataset and "channel_names" not in dataset:
        labels, files = _version_1(dataset, config)
    else:
        dataset_json.require(dataset, ("labels", "file_ending"), "channel_names", path)
        labels = read_labels(dataset, config, path)
        if "dataset" in dataset:
            files = _mapped_files(dataset["dataset"], folder)
        else:
            files = _files_in(folder, dataset["file_ending"])
    return _file_cases(config, files, labels)


def open_msd(config: CohortConfig) -> dict[str, ListedCase]:
    """Read ``dataset.json`` and the table of patients.

    Raises:
        CohortError: the folder does not hold such a dataset, or the configuration
            does not fit it.
    """
    folder = config.source_path
    dataset = dataset_json.read_dataset(
        folder,
        "a task of the Medical Segmentation Decathlon: dataset.json, imagesTr, "
        "labelsTr",
    )
    labels, files = _labels_and_files(dataset, config)
    if not _any_image(files):
        raise CohortError(
            f"{folder / 'dataset.json'}: none of the {len(files)} images that it lists "
            "is there. Check cohort.path; where images end in _0000, set "
            "cohort.format to nnunet_raw."
        )
    return _file_cases(config, files, labels)


def _file_cases(
    config: CohortConfig, files: Files, labels: NnunetLabels
) -> dict[str, ListedCase]:
    """List pairs of files; without a table every case is a patient of its own."""
    label_map.map_labels(labels.names, config.labels)
    return listed(
        config,
        {
            case: CaseFiles(image, labels.file(label), Patient(case))
            for case, (image, label) in files.items()
        },
    )


def _version_1(
    dataset: Mapping[str, Any], config: CohortConfig
) -> tuple[NnunetLabels, Files]:
    """Labels and files; the list has no ``_0000``, the images' files do."""
    labels, pairs = _labels_and_files(dataset, config)
    files = {
        case: (on_disk(image.with_name(f"{case}_0000.nii.gz")), label)
        for case, (image, label) in pairs.items()
    }
    if not _any_image(files) and _any_image(pairs):
        raise CohortError(
            f"{config.source_path / 'dataset.json'} is that of the Medical "
            "Segmentation Decathlon: its images have no _0000 before their ending. Set "
            "cohort.format to msd."
        )
    return labels, files


def _labels_and_files(
    dataset: Mapping[str, Any], config: CohortConfig
) -> tuple[NnunetLabels, Files]:
    """What the Decathlon's ``dataset.json`` tells, which is nnU-Net's version 1 too."""
    path = config.source_path / "dataset.json"
    dataset_json.require(dataset, ("labels", "training"), "modality", path)
    labels = numbered_labels(dataset, config, path)
    return labels, dataset_json.training_files(dataset, config.source_path)


def _any_image(files: Files) -> bool:
    return any(image.is_file() for image, _ in files.values())


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
        image, label = (
            on_disk(folder / os.path.expandvars(file)) for file in (images[0], label)
        )
        files[case] = image, label
    if not files:
        raise CohortError(f"{path} lists no cases under 'dataset'. Correct it.")
    return files


def _files_in(folder: Path, ending: str) -> Files:
    """All cases with an image or a label; the other may be missing."""
    images, labels = folder / "imagesTr", folder / "labelsTr"
    image_of = _files_by_name(images, f"_0000{ending}")
    if not image_of:
        raise CohortError(
            f"{images} holds no *_0000{ending}. Check cohort.path, and file_ending in "
            "its dataset.json."
        )
    label_of = _files_by_name(labels, ending)
    files: Files = {}
    for name in sorted(image_of | label_of):
        case, image = image_of.get(name) or (label_of[name][0], None)
        _, label = label_of.get(name) or (case, None)
        files[case] = (
            image or images / f"{case}_0000{ending}",
            label or labels / f"{case}{ending}",
        )
    return files


def _files_by_name(folder: Path, ending: str) -> dict[str, tuple[str, Path]]:
    """Name without ending and file, by the name with composed accents.

    Archives leave hidden files behind.
    """
    named: dict[str, tuple[str, Path]] = {}
    for path in folder.glob(f"*{ending}"):
        if path.name.startswith("."):
            continue
        name = path.name.removesuffix(ending)
        if composed(name) in named:
            raise CohortError(
                f"{folder}: two files have names that differ only in how their accents "
                "are composed. Rename one."
            )
        named[composed(name)] = name, path
    return named
