import numpy as np

from deeprac.cohort.findings import Severity
from deeprac.cohort.label_values import volume_findings
from deeprac.labels import source_names

SIDES = {"kidney_left": ["left kidney"], "kidney_right": ["right kidney"]}


def volumes(kidney_ml, tumour_ml, shape=(4, 10, 10)):
    """Warnings of a label map of 10 ml voxels, 100 mm x 10 mm x 10 mm."""
    numbers = np.zeros(shape, np.uint8)
    numbers.ravel()[: kidney_ml // 10] = 1
    numbers.ravel()[200 : 200 + tumour_ml // 10] = 2
    wanted = source_names("pairs", {})
    found = volume_findings(numbers, (10, 10, 100), wanted)
    assert {f.severity for f in found} <= {Severity.WARNING}
    return [finding.message for finding in found]


def test_volumes_that_occur():
    assert volumes(20, 0) == []
    assert volumes(1500, 1000) == []


def test_volumes_that_do_not_occur():
    (message,) = volumes(1510, 0)
    assert message.startswith("the kidneys have 1510 ml together; 5 to 1500 ml are")
    (message,) = volumes(0, 0)
    assert message.startswith("the kidneys have 0 ml together")
    (message,) = volumes(300, 5010, shape=(8, 10, 10))
    assert message.startswith("the tumour has 5010 ml; up to 5000 ml are plausible")


def test_both_kidneys_count():
    numbers = np.zeros((2, 20, 20), np.uint8)
    numbers[0, :, :4], numbers[1, :, :4] = 1, 3
    wanted = source_names("dicom", SIDES)
    (finding,) = volume_findings(numbers, (10, 10, 100), wanted)
    assert "the kidneys have 1600 ml together" in finding.message


def test_a_single_slice_has_no_volume():
    assert volumes(0, 0, shape=(1, 10, 10)) == []
