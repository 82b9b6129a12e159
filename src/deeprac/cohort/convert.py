"""From what a reader yields to a case in the canonical frame."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from deeprac.cohort import frame, grid, intensity, label_map
from deeprac.cohort.case import Case, tumour_side
from deeprac.cohort.findings import Finding, refuse_errors
from deeprac.cohort.reader import Reader, SourceCase
from deeprac.config import CohortConfig

VERSION = 2
"""Raised whenever the same files would give another case."""


class ConvertedSource:
    """The cases of a reader in the canonical frame, one at a time."""

    def __init__(self, reader: Reader, config: CohortConfig) -> None:
        """Take a reader and what the cohort's settings say about its cases."""
        self._reader = reader
        self._config = config
        keys = reader.keys()
        self._keys = dict(zip(keys, keys, strict=True))
        self._patients = {key: reader.patient(key) for key in keys}

    def names(self) -> list[str]:
        """Names of all cases, sorted."""
        return sorted(self._keys)

    def settings(self, name: str) -> Mapping[str, Any]:
        """What the reader says, patient, label map and intensity."""
        return {
            "version": VERSION,
            "format": self._config.format,
            "patient": self._patients[name],
            "reader": dict(self._reader.settings(self._keys[name])),
            "labels": {t: list(names) for t, names in self._config.labels.items()},
            "intensity": self._config.intensity,
        }

    def load(self, name: str) -> Case:
        """Read, check and reorient one case.

        Raises:
            CaseError: it cannot be used; everything that was found.
        """
        source = self._reader.read(self._keys[name])
        return convert(source, name, self._patients[name], self._config)


def convert(source: SourceCase, name: str, patient: str, config: CohortConfig) -> Case:
    """Bring one case into the canonical frame.

    Raises:
        CaseError: it cannot be used; everything that was found.
    """
    findings: list[Finding] = list(source.findings)
    turned = []
    for segmentation in source.segmentations:
        volume, found = grid.aligned(segmentation.volume, source.image)
        findings += found
        turned.append(frame.canonical(volume))
    findings += frame.frame_findings(source.image)
    if len({volume.GetSize() for volume in turned}) > 1:
        # Segmentations of several grids cannot be merged to be checked further.
        refuse_errors(findings)
    image = frame.canonical(source.image)
    # Views: a large volume is not copied once more.
    grey = sitk.GetArrayViewFromImage(image)
    values, found = intensity.plausible(grey, config.intensity)
    findings += found
    layers = [
        (sitk.GetArrayViewFromImage(volume), segmentation.names)
        for volume, segmentation in zip(turned, source.segmentations, strict=True)
    ]
    numbers, found = label_map.merge(layers, config.labels)
    findings = list(refuse_errors(findings + found))
    return Case(
        name=name,
        patient=patient,
        image=image if np.may_share_memory(values, grey) else _like(values, image),
        label=_like(numbers, image),
        side=tumour_side(values, numbers),
        age_years=source.age_years,
        frame=frame.SourceFrame.of(source.image),
        findings=tuple(findings),
    )


def _like(array: np.ndarray, image: sitk.Image) -> sitk.Image:
    volume = sitk.GetImageFromArray(array)
    volume.CopyInformation(image)
    return volume
