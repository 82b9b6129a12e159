import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.labels import CohortLabels
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.patient import Patient, study_of
from deeprac.surgery.postprocess import COLUMNS
from deeprac.surgery.previous import Previous
from deeprac.surgery.protocol import TimePoint
from deeprac.surgery.read_labels import Labelled
from deeprac.surgery.rows import Row, as_table, value_of
from support.kidney_phantoms import draw


@pytest.fixture(scope="module")
def labelled():
    flags = LIMITS["overlapping_segments"].flags(1, "text")
    return Labelled(draw(3, "plain").label, CohortLabels(), flags)


def test_a_study_of_all_that_is_known(labelled):
    label = labelled.label
    ct = sitk.Cast(label, sitk.sitkInt16) * 100
    before = as_table([Row("tumours", "volume_ml", 10.0)])
    previous = Previous(before, "do not use", None, "0" * 64)
    patient = Patient(6.0, TimePoint.DIAGNOSIS, previous, margin_mm=5.0)
    study = study_of(labelled, ct, patient, provenance={"verb": "measure"})
    assert study.flags[0].code == "overlapping_segments"
    assert "previous_result" in {flag.code for flag in study.flags}
    assert study.image.shape == study.anatomy.numbers.shape
    assert study.image.dtype == np.float32
    # The CT was turned as the structures were: tumour is 2, in 100 HU.
    tumour = study.anatomy.structures[-1]
    assert set(np.unique(study.image[study.anatomy.mask(tumour)])) == {200}
    assert study.source.size == label.GetSize()
    assert value_of(study.measures, "tumours", "change_ml") == pytest.approx(
        study.anatomy.volume_ml(tumour) - 10
    )
    assert (study.measures.measure == "rim_remaining_ml").any()
    assert len(study.protocol) == 1
    assert tuple(study.changes.columns) == COLUMNS
    assert study.provenance == {"verb": "measure", "findings": []}


def test_without_time_point_and_ct_nothing_is_compared(labelled):
    study = study_of(labelled, None, Patient(), provenance={})
    assert study.protocol is None
    assert study.image is None
    assert study.changes.empty
    assert not study.measures.measure.str.startswith(("change", "rim")).any()
