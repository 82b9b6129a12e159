"""Cohorts in nnU-Net's raw layout, version 2.

A folder with ``dataset.json``, ``imagesTr/{case}_0000{ending}`` and
``labelsTr/{case}{ending}``, one channel. Labels are mapped by their names in
``dataset.json``; image and label are reoriented to the canonical frame.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from deeprac.cohort import checks
from deeprac.cohort.case import FRAME, Case, tumour_side
from deeprac.config import CohortConfig
from deeprac.errors import CohortError
from deeprac.labels import Label

VERSION = 1
"""Raised whenever the same files would give another case."""


class NnunetRawSource:
    """Reads the cases of an nnU-Net raw folder, one at a time."""

    def __init__(self, config: CohortConfig) -> None:
        """Read ``dataset.json`` and the table of patients, and list the cases.

        Raises:
            CohortError: the folder does not hold such a dataset, or the configuration
                does not fit it.
        """
        self._folder = Path(config.path)
        self._intensity = config.intensity
        dataset = _read_dataset(self._folder)
        self._ending: str = dataset["file_ending"]
        self._names = _label_names(dataset, self._folder)
        self._mapping = map_labels(self._names, config.labels)
        self._cases = _list_cases(self._folder, self._ending)
        self._patients = _read_patients(config.patients, self._cases)

    def names(self) -> list[str]:
        """Names of all cases with an image or a label, sorted."""
        return self._cases

    def settings(self, name: str) -> Mapping[str, Any]:
        """Files by size and time of change, patient, label map and intensity."""
        return {
            "format": "nnunet_raw",
            "version": VERSION,
            "case": name,
            "patient": self._patients[name],
            "files": [_stamp(path) for path in self._paths(name)],
            "labels": {str(value): int(ours) for value, ours in self._mapping.items()},
            "intensity": self._intensity,
        }

    def load(self, name: str) -> Case:
        """Read, check and reorient one case.

        Raises:
            CohortError: listing everything that is wrong with the case.
        """
        image, label = self._read(name)
        problems = checks.grid_problems(image, label)
        image, label = (sitk.DICOMOrient(volume, FRAME) for volume in (image, label))
        problems += checks.geometry_problems(image)
        values = sitk.GetArrayFromImage(image)
        numbers = sitk.GetArrayFromImage(label)
        problems += checks.intensity_problems(values, self._intensity)
        problems += checks.label_problems(numbers, self._names, self._mapping)
        if problems:
            raise CohortError("; ".join(problems) + ".")
        ours = np.zeros(numbers.shape, np.uint8)
        for value, number in self._mapping.items():
            ours[numbers == value] = number
        values = _compact(values)
        return Case(
            name=name,
            patient=self._patients[name],
            image=_like(values, image),
            # On the image's grid to the last digit: the check allows a tolerance.
            label=_like(ours, image),
            side=tumour_side(values, ours),
        )

    def _read(self, name: str) -> tuple[sitk.Image, sitk.Image]:
        """Read both files; complain about both when both are unreadable."""
        volumes, problems = [], []
        for path in self._paths(name):
            try:
                volumes.append(checks.read_volume(path))
            except CohortError as error:
                problems.append(str(error))
        if problems:
            raise CohortError(" ".join(problems))
        return volumes[0], volumes[1]

    def _paths(self, name: str) -> tuple[Path, Path]:
        return (
            self._folder / "imagesTr" / f"{name}_0000{self._ending}",
            self._folder / "labelsTr" / f"{name}{self._ending}",
        )


def map_labels(
    names: dict[int, str], wanted: Mapping[str, tuple[str, ...]]
) -> dict[int, Label]:
    """Map the source's label values to ours by name.

    Args:
        names: name of every value in the source.
        wanted: ``cohort.labels``: names in the source by our title.

    Returns:
        Ours by the source's value; background 0 always, unmapped values left out.

    Raises:
        CohortError: no kidney among the names, or one name wanted twice.
    """
    ours_by_name: dict[str, Label] = {}
    for title, sources in wanted.items():
        for source in sources:
            if source in ours_by_name:
                raise CohortError(
                    f"cohort.labels names {source!r} twice. Name it under one label."
                )
            ours_by_name[source] = Label[title.upper()]
    mapping = {0: Label.BACKGROUND}
    for value, name in names.items():
        if name in ours_by_name:
            mapping[value] = ours_by_name[name]
    if Label.KIDNEY not in mapping.values():
        found = ", ".join(f"{name} ({value})" for value, name in names.items())
        raise CohortError(
            f"cohort.labels.kidney is {list(wanted['kidney'])}, but dataset.json has "
            f"{found}. Name the labels that mean kidney."
        )
    return mapping


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


def _stamp(path: Path) -> list[Any]:
    """Path, size and time of change of a file; only the path when it is missing."""
    if not path.is_file():
        return [str(path)]
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]


def _compact(values: np.ndarray) -> np.ndarray:
    """The values as int16 where that loses nothing, else as float32."""
    limits = np.iinfo(np.int16)
    whole = np.issubdtype(values.dtype, np.integer) or np.all(values == np.rint(values))
    if whole and values.min() >= limits.min and values.max() <= limits.max:
        return values.astype(np.int16)
    return values.astype(np.float32)


def _like(array: np.ndarray, grid: sitk.Image) -> sitk.Image:
    volume = sitk.GetImageFromArray(array)
    volume.CopyInformation(grid)
    return volume


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
