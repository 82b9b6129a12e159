"""Cohorts of the Kidney Tumor Segmentation challenges: KiTS19, KiTS21 and KiTS23.

``cohort.path`` is the repository of a challenge, or the folder in it that holds the
``case_*`` folders. Slices lie along the first axis of these NIfTI files, by their
affines.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from deeprac.cohort import label_map, volume_files
from deeprac.cohort.case_files import CaseFiles, LabelFiles, Labels, label_file, listed
from deeprac.cohort.findings import CaseError, Finding
from deeprac.cohort.grid import Grid
from deeprac.cohort.patients import Patient
from deeprac.cohort.reader import ListedCase, Segmentation
from deeprac.errors import CohortError
from deeprac.settings.cohort import CohortConfig
from deeprac.strict import TwiceError, parse_json

logger = logging.getLogger(__name__)

IMAGE = "imaging.nii.gz"
"""The image of a case."""

FOLDERS = (".", "data", "dataset", "kits21/data")
"""Where the cases lie in a repository of a challenge."""

_CASE = re.compile(r"case_\d{5}")
_INSTANCE = re.compile(
    r"(?P<name>kidney|tumor|cyst)_instance-(?P<instance>\d+)"
    r"_annotation-(?P<annotator>\d+)\.nii\.gz"
)
_PAINTED = ("kidney", "cyst", "tumor")
"""The challenges' own order: later ones cover what lies below."""


@dataclass(frozen=True)
class Edition:
    """One of the challenges, as it lies on disk.

    ``files`` are the label maps by ``cohort.kits.annotation``, ``instances`` the folder
    of what every annotator drew, ``clinical`` the table with the patients' ages, and
    ``download`` what fetches the images.
    """

    title: str
    names: Mapping[int, str]
    files: Mapping[str, str]
    download: str
    instances: str | None = None
    clinical: str = "kits.json"


KITS19 = Edition(
    title="KiTS19",
    names={1: "kidney", 2: "tumor"},
    files={"majority": "segmentation.nii.gz"},
    download="python3 -m starter_code.get_imaging",
)

KITS21 = Edition(
    title="KiTS21",
    names={1: "kidney", 2: "tumor", 3: "cyst"},
    files={
        "majority": "aggregated_MAJ_seg.nii.gz",
        "union": "aggregated_OR_seg.nii.gz",
        "intersection": "aggregated_AND_seg.nii.gz",
    },
    instances="segmentations",
    download="python3 kits21/starter_code/get_imaging.py",
)

KITS23 = Edition(
    title="KiTS23",
    names={1: "kidney", 2: "tumor", 3: "cyst"},
    files={"majority": "segmentation.nii.gz"},
    instances="instances",
    clinical="kits23.json",
    download="kits23_download_data",
)


def open_kits(config: CohortConfig) -> dict[str, ListedCase]:
    """Find out which challenge it is, and list the cases with a label.

    Raises:
        CohortError: the folder is not one of a challenge, holds no images or not the
            wanted annotation, or the table of patients cannot be used.
    """
    folder, cases = _case_folders(config.source_path)
    edition = _edition(folder, cases)
    label_map.map_labels(edition.names, config.labels)
    labels = [KitsLabel(case, edition, config.kits.annotation) for case in cases]
    labels = [label for label in labels if label.annotations]
    if left_out := len(cases) - len(labels):
        message = "%s: %d of %d cases have no label and are left out"
        logger.info(message, edition.title, left_out, len(cases))
    _refuse_missing(folder, edition, config, labels)
    ages = _ages(folder / edition.clinical)
    get_image = f"Run `{edition.download}` in the repository of {edition.title}"
    return listed(
        config,
        {
            (case := label.folder.name): CaseFiles(
                label.folder / IMAGE,
                LabelFiles(label.paths, edition.names, label.read),
                Patient(case, ages.get(case)),
                get_image,
            )
            for label in labels
        },
    )


@dataclass(frozen=True)
class KitsLabel:
    """The label of one case, by ``cohort.kits.annotation``.

    ``annotation`` is majority, union or intersection, or the number of one annotator,
    whose instances are painted onto one label map. Annotators have numbers per
    instance: number 1 need not be one person.
    """

    folder: Path
    edition: Edition
    annotation: str | int

    @property
    def paths(self) -> tuple[Path, ...]:
        """The label map, or the annotator's instances in the order of painting."""
        if isinstance(self.annotation, int):
            return tuple(
                annotators[self.annotation]
                for name in _PAINTED
                for (of, _), annotators in self._instances.items()
                if of == name and self.annotation in annotators
            )
        file = self.edition.files.get(self.annotation)
        return () if file is None else (self.folder / file,)

    @property
    def annotations(self) -> list[str]:
        """The annotations that it has, as ``cohort.kits.annotation`` names them."""
        files = self.edition.files.items()
        annotators = {n for found in self._instances.values() for n in found}
        return [name for name, file in files if (self.folder / file).is_file()] + [
            str(number) for number in sorted(annotators)
        ]

    def read(self) -> tuple[Labels, list[Finding]]:
        """Read the label map, or paint the annotator's instances onto one.

        Raises:
            CaseError: the annotation is not there or not complete, or a file of it
                cannot be read.
        """
        self._refuse_gaps()
        if not isinstance(self.annotation, int):
            return label_file(self.paths[0], self.edition.names).read()
        numbers = {name: number for number, name in self.edition.names.items()}
        painted = grid = None
        findings: list[Finding] = []
        for path in self.paths:
            volume, found = volume_files.read_volume(path)
            findings += found
            mask = sitk.GetArrayViewFromImage(volume) != 0
            if painted is None:
                painted, grid = np.zeros(mask.shape, np.uint8), Grid.of(volume)
            if not grid.is_same_as(Grid.of(volume)):
                raise CaseError.of(
                    "annotation",
                    "the annotator's instances do not lie on one grid. Download the "
                    "case again",
                )
            painted[mask] = numbers[_INSTANCE.fullmatch(path.name)["name"]]
        label = Segmentation(grid.volume(painted), self.edition.names)
        return (label,), list(dict.fromkeys(findings))

    def _refuse_gaps(self) -> None:
        gaps = [
            f"{name} {instance} has {', '.join(map(str, sorted(found)))}"
            for (name, instance), found in self._instances.items()
            if isinstance(self.annotation, int) and self.annotation not in found
        ]
        if str(self.annotation) not in self.annotations:
            there = ", ".join(self.annotations)
            problem = f"this case has {there}. Choose one that all cases have"
        elif gaps:
            problem = f"{'; '.join(gaps)}. Choose one that all have, or majority"
        else:
            return
        text = f"cohort.kits.annotation is {self.annotation}, but {problem}"
        raise CaseError.of("annotation", text)

    @cached_property
    def _instances(self) -> dict[tuple[str, int], dict[int, Path]]:
        """Files by what they show and number of the instance, sorted; by annotator."""
        found: dict[tuple[str, int], dict[int, Path]] = defaultdict(dict)
        if self.edition.instances is None:
            return found
        for path in (self.folder / self.edition.instances).glob("*.nii.gz"):
            if match := _INSTANCE.fullmatch(path.name):
                instance = match["name"], int(match["instance"])
                found[instance][int(match["annotator"])] = path
        return dict(sorted(found.items()))


def _case_folders(root: Path) -> tuple[Path, list[Path]]:
    """The folder that holds the cases, and the cases, sorted."""
    for folder in (root / name for name in FOLDERS):
        if folder.is_dir():
            cases = [p for p in folder.iterdir() if _CASE.fullmatch(p.name)]
            if cases:
                return folder, sorted(p for p in cases if p.is_dir())
    raise CohortError(
        f"{root} holds no folders named like case_00000, nor do "
        f"{', '.join(FOLDERS[1:])} in it. Set cohort.path to the folder of KiTS19, "
        "KiTS21 or KiTS23."
    )


def _edition(folder: Path, cases: list[Path]) -> Edition:
    """The challenge, by what lies there."""

    def any_case_has(*names: str) -> bool:
        return any((case / name).exists() for case in cases for name in names)

    found = []
    if any_case_has(*KITS21.files.values(), KITS21.instances):
        found.append(KITS21)
    elif (folder / KITS19.clinical).is_file():
        found.append(KITS19)
    if (folder / KITS23.clinical).is_file() or any_case_has(KITS23.instances):
        found.append(KITS23)
    if len(found) == 1:
        return found[0]
    state = (
        f"has parts of {' and '.join(edition.title for edition in found)}"
        if found
        else "has neither kits.json (KiTS19, KiTS21) nor kits23.json"
    )
    raise CohortError(
        f"{folder} must tell which challenge it is of, but {state}. Put the table of "
        "the one challenge beside its cases."
    )


def _refuse_missing(
    folder: Path, edition: Edition, config: CohortConfig, labels: list[KitsLabel]
) -> None:
    """Refuse what is wrong with all cases alike."""
    if not labels:
        raise CohortError(
            f"{folder} holds no labels of {edition.title}. Check cohort.path."
        )
    there = list(dict.fromkeys(name for label in labels for name in label.annotations))
    if str(config.kits.annotation) not in there:
        raise CohortError(
            f"cohort.kits.annotation is {config.kits.annotation}, but "
            f"{edition.title} in {folder} has {', '.join(there)}. Choose one of them."
        )
    if not any((label.folder / IMAGE).exists() for label in labels):
        raise CohortError(
            f"none of the {len(labels)} labelled cases in {folder} has its {IMAGE}: "
            f"the repository of {edition.title} holds labels only. Run "
            f"`{edition.download}` there."
        )


def _ages(path: Path) -> dict[str, float]:
    """Age at nephrectomy by case, where the table has it."""
    if not path.is_file():
        logger.info("%s is missing: ages are unknown", path)
        return {}
    try:
        rows: list[dict[str, Any]] = parse_json(path.read_text(encoding="utf-8"))
        ages = [(row["case_id"], row.get("age_at_nephrectomy")) for row in rows]
    except TwiceError as error:
        raise CohortError(f"{path}: {error}, or download it again.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CohortError(
            f"{path} must be a list with a case_id in every row ({error!r}). Download "
            "it again."
        ) from error
    if len(dict(ages)) < len(ages):
        raise CohortError(f"{path} lists a case twice. Download it again.")
    return {case: float(age) for case, age in ages if isinstance(age, int | float)}
