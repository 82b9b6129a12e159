"""From what a reader yields to a case in the canonical frame."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from deeprac.cohort import frame, label_map, label_values
from deeprac.cohort.case import Case, tumour_side
from deeprac.cohort.confidential import (
    confidential,
    names_of_files,
    open_to_all,
    without_names,
)
from deeprac.cohort.findings import Finding, refuse_errors
from deeprac.cohort.grid import Grid, aligned
from deeprac.cohort.pseudonyms import Pseudonyms
from deeprac.cohort.reader import ListedCase, Segmentation, SourceCase
from deeprac.cohort.volume import checked_image, origin_findings
from deeprac.errors import CohortError
from deeprac.files import NAME_RULE, foreign_names
from deeprac.settings.cohort import CohortConfig

VERSION = 3
"""Raised whenever the same files would give another case."""


class ConvertedSource:
    """The cases of a source in the canonical frame, one at a time.

    Their names are pseudonyms, and the names of their files stay inside; with
    ``cohort.pseudonyms`` off they have the source's names, and nothing is hidden.
    """

    def __init__(self, cases: Mapping[str, ListedCase], config: CohortConfig) -> None:
        """Take the cases by the source's names, and the cohort's settings.

        Raises:
            CohortError: names that cannot be used, or pseudonyms that do not fit.
        """
        self._listed = cases
        self._config = config
        self._pseudonyms: Pseudonyms | None = None
        patients = {key: case.patient for key, case in cases.items()}
        if not config.pseudonyms:
            _refuse_foreign([*patients, *patients.values()])
            self._key_of = {key: key for key in cases}
            self._patient_of = patients
            return
        names = self._pseudonyms = Pseudonyms(config.private, config.name)
        names.record(patients, {key: case.files for key, case in cases.items()})
        self._key_of = {names.case(key): key for key in cases}
        self._patient_of = {
            names.case(key): names.patient(patient) for key, patient in patients.items()
        }

    def names(self) -> list[str]:
        """Names of all cases, sorted: the order of pseudonyms identifies nobody."""
        return sorted(self._key_of)

    def settings(self, name: str) -> Mapping[str, Any]:
        """The reader's settings, patient, label map and intensity; salted."""
        return {
            "version": VERSION,
            "salt": self._pseudonyms and self._pseudonyms.salt,
            "format": self._config.format,
            "patient": self._patient_of[name],
            "reader": dict(self._listed[self._key_of[name]].settings()),
            "labels": {t: list(names) for t, names in self._config.labels.items()},
            "intensity": self._config.intensity,
        }

    def load(self, name: str) -> Case:
        """Read, check and reorient one case.

        Raises:
            CaseError: it cannot be used; everything that was found. Whatever else
                anything raises over its files becomes one.
        """
        if self._pseudonyms is None:
            with open_to_all():
                return self._load(name)
        with confidential(self._pseudonyms.log, lambda: self._hidden(name)):
            case = self._load(name)
        return replace(case, findings=without_names(case.findings, self._hidden(name)))

    def where(self, names: Sequence[str]) -> str:
        """Say which files the cases are, or where that is written."""
        if self._pseudonyms is not None:
            return (
                f"{self._pseudonyms.table} says which files these are, "
                f"{self._pseudonyms.log.name} beside it what libraries said of them. "
                "Both stay on this machine."
            )
        files = {name: self._listed[self._key_of[name]].files for name in names}
        return "Their files:\n" + "\n".join(
            f"  {name}: " + ", ".join(f"{role} {path}" for role, path in paths.items())
            for name, paths in files.items()
        )

    def _load(self, name: str) -> Case:
        source = self._listed[self._key_of[name]].read()
        return convert(source, name, self._patient_of[name], self._config)

    def _hidden(self, name: str) -> dict[str, str]:
        """What stands for the names of a case in messages."""
        key = self._key_of[name]
        case = self._listed[key]
        files = names_of_files(case.files, self._config.source_path)
        return files | {case.patient: self._patient_of[name], key: name}


def _refuse_foreign(names: Sequence[str]) -> None:
    if foreign := foreign_names(names):
        raise CohortError(
            f"{NAME_RULE}, not {foreign[0]!r}. Rename it, or set cohort.pseudonyms to "
            "true."
        )


def convert(source: SourceCase, name: str, patient: str, config: CohortConfig) -> Case:
    """Bring one case into the canonical frame.

    Raises:
        CaseError: it cannot be used; everything that was found.
    """
    findings = list(refuse_errors([*source.findings, *_origins(source)]))
    turned = []
    for segmentation in source.segmentations:
        volume, found = aligned(segmentation.volume, source.image)
        findings += found
        turned.append(frame.canonical(volume))
    image, found = checked_image(source.image, config.intensity)
    findings += found
    if len({volume.GetSize() for volume in turned}) > 1:
        # Segmentations of several grids cannot be merged to be checked further.
        refuse_errors(findings)
    grid = Grid.of(frame.upright(image))
    # A view: a large volume is not copied once more.
    values = sitk.GetArrayViewFromImage(image)
    numbers, found = _merged(turned, source.segmentations, config)
    findings = list(refuse_errors(findings + found))
    findings += label_values.volume_findings(
        numbers, grid.spacing_xyz_mm, config.labels
    )
    return Case(
        name=name,
        patient=patient,
        image=image,
        label=grid.volume(numbers),
        side=tumour_side(values, numbers),
        age_years=source.age_years,
        frame=Grid.of(source.image),
        findings=tuple(findings),
        labels=config.kept_labels,
    )


def _merged(
    turned: Sequence[sitk.Image],
    segmentations: Sequence[Segmentation],
    config: CohortConfig,
) -> tuple[np.ndarray, list[Finding]]:
    """The cohort's label map [z, y, x] of canonical ones, and what was found."""
    layers = [
        (sitk.GetArrayViewFromImage(volume), segmentation.names)
        for volume, segmentation in zip(turned, segmentations, strict=True)
    ]
    numbers, findings = label_map.merge(layers, config.labels)
    for one in segmentations:
        findings += label_map.contradictions(one.names, one.expected, config.labels)
    return numbers, findings


def _origins(source: SourceCase) -> list[Finding]:
    """Whether the volumes lie anywhere at all; else no grids can be compared."""
    volumes = [("image", source.image)]
    volumes += [("label", segmentation.volume) for segmentation in source.segmentations]
    found = [one for volume in volumes for one in origin_findings(*volume)]
    # Layers of one file have one origin.
    return list(dict.fromkeys(found))
