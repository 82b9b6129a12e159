"""Reading a segmentation for ``deeprac measure``: of a model, or corrected by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from deeprac.cohort import (
    affine,
    frame,
    label_map,
    label_values,
    seg_nrrd,
    volume_files,
)
from deeprac.cohort.case_files import read_part
from deeprac.cohort.findings import CaseError, Finding, refuse_errors
from deeprac.cohort.grid import Grid, aligned
from deeprac.cohort.reader import Segmentation
from deeprac.errors import SurgeryError
from deeprac.labels import CohortLabels
from deeprac.surgery.flags import Flag
from deeprac.surgery.label_names import by_title, title_of
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.number_names import names_beside

PART = "segmentation"
"""What messages call the file."""

OVERLAP = "label overlap"
"""The check of ``label_map.merge`` that has a flag of its own."""

NOTHING = (
    f"the {PART} is empty: there is nothing to measure. Give one that shows kidney or "
    "tumour."
)


@dataclass(frozen=True)
class Labelled:
    """A segmentation that can be measured.

    Attributes:
        label: uint8 label map on the grid of the CT, or its own without one.
        labels: what its numbers mean.
        flags: what is doubtful about names and overlaps.
        findings: what was found in the files.
    """

    label: sitk.Image
    labels: CohortLabels
    flags: tuple[Flag, ...]
    findings: tuple[Finding, ...] = ()


def read_labels(
    path: Path, names: Sequence[str] = (), image: sitk.Image | None = None
) -> Labelled:
    """Read and check a segmentation.

    Args:
        path: NIfTI, NRRD, MetaImage, or a segmentation of 3D Slicer, whose names count.
        names: what the numbers 1, 2, ... of a file without names mean, in their order;
            none: as the files of a result or cohort beside it say.
        image: the CT on whose grid it belongs.

    Raises:
        CaseError: it cannot be read, or does not lie on the grid of the CT.
        SurgeryError: names that are not known, or nothing is segmented.
    """
    segmentations, findings = read_part(PART, lambda: _read(path, names))
    if segmentations is None:
        raise CaseError(findings)
    layers, found = _placed(segmentations, image)
    findings += found
    reference = layers[0].volume if image is None else image
    findings += map(_of_segmentation, frame.frame_findings(reference))
    refuse_errors(findings)
    wanted = by_title(_known(layers))
    arrays = [(sitk.GetArrayViewFromImage(one.volume), one.names) for one in layers]
    numbers, found = label_map.merge(arrays, wanted, kidney_needed=False)
    refuse_errors(finding.about(f"the {PART}") for finding in found)
    findings += (one for one in found if one.check != OVERLAP)
    flags = _overlap_flags(found)
    label = Grid.of(reference).volume(numbers)
    return Labelled(label, CohortLabels.named(wanted), flags, tuple(findings))


def _read(
    path: Path, names: Sequence[str]
) -> tuple[tuple[Segmentation, ...], list[Finding]]:
    """The layers of the file, and what was found; 3D Slicer's name their numbers."""
    if seg_nrrd.holds_segments(path):
        if names:
            raise CaseError.of(
                "label names",
                "it names its segments itself, and --labels is for files that do not. "
                "Leave --labels out",
            )
        return seg_nrrd.read_segmentations(path, {})
    volume, findings = volume_files.read_volume(path)
    by_number = dict(enumerate(names, start=1)) or names_beside(path)
    if not by_number:
        raise CaseError.of(
            "label names",
            "it does not name its numbers, and no result.json or dataset.json beside "
            "it says what they mean. Name them from 1 on, such as --labels kidney "
            "tumour, or --labels kidney_left kidney_right tumour",
        )
    return (Segmentation(volume, by_number),), findings


def _placed(
    segmentations: Sequence[Segmentation], image: sitk.Image | None
) -> tuple[list[Segmentation], list[Finding]]:
    """The layers on the grid of the CT, and what was found."""
    findings = [
        finding.about(f"the {PART}")
        for finding in affine.origin_findings(segmentations[0].volume.GetOrigin())
    ]
    if image is None or findings:
        return list(segmentations), findings
    placed = []
    for one in segmentations:
        volume, found = aligned(one.volume, image)
        placed.append(replace(one, volume=volume))
        findings += found
    return placed, findings


def _known(layers: Sequence[Segmentation]) -> list[str]:
    """Names of the values that occur.

    Raises:
        SurgeryError: names that mean nothing here, numbers without a name, or no label.
    """
    names: dict[str, None] = {}
    for layer in layers:
        values = label_values.values_of(sitk.GetArrayViewFromImage(layer.volume))
        if label_values.bad_values(values):
            return []  # ``merge`` says what is wrong.
        for value in map(round, values[values > 0].tolist()):
            name = layer.names.get(value)
            if name is None or title_of(name) is None:
                raise SurgeryError(_unknown(value, name))
            names[name] = None
    if not names:
        raise SurgeryError(NOTHING)
    return list(names)


def _unknown(value: int, name: str | None) -> str:
    if name is None:
        return (
            f"the {PART} has the number {value}, and its meaning is not known. Name "
            "the numbers from 1 on: --labels kidney_left kidney_right tumour"
        )
    return (
        f"the {PART} has a segment named {name!r}, which is not known. Name segments "
        "kidney, kidney_left, kidney_right, tumour or cyst, or delete the others."
    )


def _of_segmentation(finding: Finding) -> Finding:
    message = finding.message.replace("image and label", f"CT and {PART}")
    return replace(finding, message=message)


def _overlap_flags(findings: Iterable[Finding]) -> tuple[Flag, ...]:
    """Segments that overlap; of voxels in two, ``merge`` says which one counts."""
    return tuple(
        flag
        for finding in findings
        if finding.check == OVERLAP
        for flag in LIMITS["overlapping_segments"].flags(1, finding.message)
    )
