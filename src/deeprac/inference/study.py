"""From a segmented CT to all that is known of the patient: no torch from here on."""

from dataclasses import dataclass, replace
from math import nan

import pandas as pd
import SimpleITK as sitk

from deeprac.bundle.archive import Bundle
from deeprac.bundle.manifest import POSTPROCESSING
from deeprac.cohort.grid import Grid
from deeprac.cohort.volume import Volume
from deeprac.inference.segment import Segmented
from deeprac.surgery import patient
from deeprac.surgery.checks import range_values
from deeprac.surgery.flags import Flag
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.model_checks import (
    FrontEnd,
    fold_flags,
    front_end_flags,
    range_flags,
)
from deeprac.surgery.patient import Patient
from deeprac.surgery.postprocess import Postprocessing, postprocess
from deeprac.surgery.protocol import TimePoint
from deeprac.surgery.read_labels import Labelled
from deeprac.surgery.study import Study


@dataclass(frozen=True)
class Asked:
    """What the user says of the patient and asks of the measures.

    Attributes:
        age_years: of the patient; None as the header says.
        time_point: when the CT was taken; None: no protocol is compared.
        margin_mm: rim around the tumour that does not count as parenchyma.
        postprocessing: whether the bundle's steps are applied.
    """

    age_years: float | None = None
    time_point: TimePoint | None = None
    margin_mm: float = 0.0
    postprocessing: bool = True


def study_of(
    volume: Volume, segmented: Segmented, bundle: Bundle, asked: Asked
) -> Study:
    """Find the organs of a segmented CT, measure them and look for doubts.

    Args:
        volume: the CT.
        segmented: by the bundle.
        bundle: opened.
        asked: what the user says.
    """
    label, changes = _mended(segmented, bundle, asked)
    age = volume.age_years if asked.age_years is None else asked.age_years
    flags = _model_flags(segmented, bundle)
    study = patient.study_of(
        Labelled(label, segmented.labels, flags, volume.findings),
        volume.image,
        Patient(age, asked.time_point, margin_mm=asked.margin_mm),
        changes=changes,
        provenance=segmented.provenance
        | {
            "verb": "segment",
            "age_years": age,
            "margin_mm": asked.margin_mm,
            "timepoint": asked.time_point,
            "postprocessing": asked.postprocessing,
        },
    )
    in_hu = study.image if bundle.manifest["intensity"] == "hu" else None
    values = range_values(study.anatomy, in_hu, age)
    ranges = bundle.manifest["training"]["ranges"]
    return replace(
        study,
        source=volume.source,
        flags=(*study.flags, *range_flags(values, ranges)),
    )


def _mended(
    segmented: Segmented, bundle: Bundle, asked: Asked
) -> tuple[sitk.Image, pd.DataFrame]:
    """The label map after the bundle's steps, and what they changed."""
    steps = Postprocessing()
    if asked.postprocessing:
        steps = Postprocessing.from_json(bundle.read_json(POSTPROCESSING))
    numbers, changes = postprocess(
        sitk.GetArrayViewFromImage(segmented.label),
        segmented.labels,
        segmented.label.GetSpacing()[::-1],
        steps,
    )
    return Grid.of(segmented.label).volume(numbers), changes


def _model_flags(segmented: Segmented, bundle: Bundle) -> tuple[Flag, ...]:
    prediction = segmented.prediction
    front_ends = prediction.front_end.values()
    slices = prediction.slices
    # The worst of the folds: each has a share in every voxel.
    worst = FrontEnd(
        outside_window=100 * max(one.outside_share or 0 for one in front_ends),
        fallback=100 * max(one.fallback_slices for one in front_ends) / slices,
        at_bound=100 * max(one.at_bound_slices for one in front_ends) / slices,
    )
    dice = {
        title: nan if one is None else one
        for title, one in prediction.fold_dice.items()
    }
    return (
        *_phantom_flags(bundle),
        *fold_flags(dice, prediction.fold_ml),
        *front_end_flags(worst),
    )


def _phantom_flags(bundle: Bundle) -> tuple[Flag, ...]:
    phantoms = bundle.manifest["training"]["format"] == "phantom"
    message = "the model was trained on generated phantoms and knows no patient"
    return LIMITS["phantom_model"].flags(int(phantoms), message)
