"""Cohorts in nnU-Net's raw layout, version 2.

A folder with ``dataset.json``, ``imagesTr/{case}_0000{ending}`` and
``labelsTr/{case}{ending}``, one channel.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from deeprac.cohort import label_map
from deeprac.cohort.reader import Segmentation, SourceCase, stamp
from deeprac.cohort.volume_files import read_volumes
from deeprac.config import CohortConfig
from deeprac.errors import CohortError


class NnunetRawReader:
    """Reads the cases of an nnU-Net raw folder, one at a time."""

    def __init__(self, config: CohortConfig) -> None:
        """Read ``dataset.json`` and the table of patients, and list the cases.

        Raises:
            CohortError: the folder does not hold such a dataset, or the configuration
                does not fit it.
        """
        self._folder = Path(config.path)
        dataset = _read_dataset(self._folder)
        self._ending: str = dataset["file_ending"]
        self._names = _label_names(dataset, self._folder)
        label_map.map_labels(self._names, config.labels)
        self._cases = _list_cases(self._folder, self._ending)
        self._patients = _read_patients(config.patients, self._cases)

    def keys(self) -> list[str]:
        """Names of all cases with an image or a label, sorted."""
        return self._cases

    def patient(self, key: str) -> str:
        """From the table of patients; without one every case is its own patient."""
        return self._patients[key]

    def settings(self, key: str) -> Mapping[str, Any]:
        """Files by size and time of change, and the names of the labels."""
        return {
            "files": [stamp(path) for path in self._paths(key)],
            "names": {str(value): name for value, name in self._names.items()},
        }

    def read(self, key: str) -> SourceCase:
        """Read both files; complain about both when both are unreadable.

        Raises:
            CaseError: a file cannot be read.
        """
        image, label = self._paths(key)
        volumes, findings = read_volumes({"image": image, "label": label})
        segmentation = Segmentation(volumes["label"], self._names)
        return SourceCase(volumes["image"], (segmentation,), findings=findings)

    def _paths(self, key: str) -> tuple[Path, Path]:
        return (
            self._folder / "imagesTr" / f"{key}_0000{self._ending}",
            self._folder / "labelsTr" / f"{key}{self._ending}",
        )


def _read_dataset(folder: Path) -> dict[str, Any]:
    path = folder / "dataset.json"
    if not path.is_file():
        raise CohortError(
            f"{path} is missing. cohort.path must be a folder in nnU-Net's raw layout: "
            "dataset.json, imagesTr, labelsTr."
        )
    try:
        dataset = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CohortError(f"{path} is not valid JSON ({error}). Correct it.") from error
    for key in ("channel_names", "labels", "file_ending"):
        if key not in dataset:
            raise CohortError(
                f"{path} has no {key!r}. It must follow nnU-Net's version 2."
            )
    if len(dataset["channel_names"]) != 1:
        raise CohortError(
            f"{path} lists the channels {list(dataset['channel_names'].values())}. "
            "Give a dataset with CT as its only channel."
        )
    return dataset


def _label_names(dataset: dict[str, Any], folder: Path) -> dict[int, str]:
    """Name of every label value in ``dataset.json``."""
    path, labels = folder / "dataset.json", dataset["labels"]
    for name, value in labels.items():
        if isinstance(value, list):
            raise CohortError(
                f"{path}: label {name!r} is the region {value}. Give every label one "
                "number; regions that overlap are not supported."
            )
        if not isinstance(value, int):
            raise CohortError(
                f"{path}: label {name!r} is {value!r}. nnU-Net's version 2 wants "
                '"name": number.'
            )
    return {value: name for name, value in labels.items()}


def _list_cases(folder: Path, ending: str) -> list[str]:
    images = {
        path.name.removesuffix(f"_0000{ending}")
        for path in (folder / "imagesTr").glob(f"*_0000{ending}")
    }
    labels = {
        path.name.removesuffix(ending)
        for path in (folder / "labelsTr").glob(f"*{ending}")
    }
    if not images:
        raise CohortError(
            f"{folder / 'imagesTr'} holds no *_0000{ending}. Check cohort.path, and "
            "file_ending in its dataset.json."
        )
    return sorted(images | labels)


def _read_patients(path: Path | None, cases: list[str]) -> dict[str, str]:
    """Patient of every case; without a table every case is a patient of its own."""
    if path is None:
        return {case: case for case in cases}
    if not Path(path).is_file():
        raise CohortError(f"cohort.patients: {path} is missing. Correct the path.")
    table = pd.read_csv(path, dtype=str)
    if not {"case", "patient"} <= set(table.columns):
        raise CohortError(
            f"{path} has the columns {', '.join(table.columns)}. It needs the columns "
            "case and patient."
        )
    table = table[table["case"].isin(cases)]
    twice = sorted(set(table["case"][table["case"].duplicated()]))
    if twice:
        raise CohortError(f"{path} lists a case twice: {_some(twice)}. Keep one row.")
    patients = dict(zip(table["case"], table["patient"], strict=True))
    missing = [case for case in cases if pd.isna(patients.get(case))]
    if missing:
        raise CohortError(
            f"{path} names no patient for {len(missing)} cases: {_some(missing)}. Add "
            "a row for each."
        )
    return patients


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
