"""From a label map and what else is known of the patient to a ``Study``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import SimpleITK as sitk

from deeprac.cohort.findings import in_words
from deeprac.cohort.frame import FRAME
from deeprac.cohort.grid import Grid
from deeprac.surgery.checks import check_anatomy
from deeprac.surgery.measures import measure
from deeprac.surgery.model_checks import finding_flags
from deeprac.surgery.postprocess import COLUMNS, change_flags
from deeprac.surgery.previous import Previous, previous_flags, with_changes
from deeprac.surgery.protocol import TimePoint, compare
from deeprac.surgery.read_labels import Labelled
from deeprac.surgery.structures import anatomy_of
from deeprac.surgery.study import Study


@dataclass(frozen=True)
class Patient:
    """What is known beside the images.

    Attributes:
        age_years: None: sizes are not compared with those of the age.
        time_point: when the CT was taken; None: no threshold is compared.
        previous: result of an earlier time point; None: no change is told.
        margin_mm: rim with which the tumours are taken out in the measures.
    """

    age_years: float | None = None
    time_point: TimePoint | None = None
    previous: Previous | None = None
    margin_mm: float = 0.0


def study_of(
    labelled: Labelled,
    image: sitk.Image | None,
    patient: Patient,
    *,
    changes: pd.DataFrame | None = None,
    provenance: Mapping[str, Any],
) -> Study:
    """Find and measure all structures of a label map, and flag what is doubtful.

    Args:
        labelled: the label map, and what was found in the files; the flags of the steps
            before come first.
        image: CT in HU on the same grid; None without one.
        patient: what is known beside.
        changes: what post-processing changed; None: it was not applied.
        provenance: what made the result.
    """
    if changes is None:
        changes = pd.DataFrame(columns=list(COLUMNS))
    anatomy, found = anatomy_of(labelled.label, labelled.labels)
    measures = measure(anatomy, patient.margin_mm)
    checked = check_anatomy(
        anatomy, measures, patient.age_years, with_ct=image is not None
    )
    if patient.previous is not None:
        measures = with_changes(measures, patient.previous.measures)
        checked += previous_flags(patient.previous)
    protocol = None
    if patient.time_point is not None:
        protocol = compare(measures, patient.time_point, checked)
    values = None
    if image is not None:
        turned = sitk.Cast(sitk.DICOMOrient(image, FRAME), sitk.sitkFloat32)
        values = sitk.GetArrayFromImage(turned)
    return Study(
        anatomy=anatomy,
        source=Grid.of(labelled.label),
        image=values,
        measures=measures,
        protocol=protocol,
        flags=(
            *labelled.flags,
            *found,
            *change_flags(changes),
            *checked,
            *finding_flags(labelled.findings),
        ),
        changes=changes,
        provenance={**provenance, "findings": in_words(labelled.findings)},
    )
