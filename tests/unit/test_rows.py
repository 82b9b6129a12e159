import math

import pytest

from deeprac.surgery.catalogue import COLUMNS, MEASURES
from deeprac.surgery.rows import Row, as_table, value_of


def test_rows_have_what_the_catalogue_says():
    table = as_table(
        [Row("tumour_1", "volume_ml", 214.3), Row("tumour_1", "side", note="left")]
    )
    assert tuple(table.columns) == COLUMNS
    assert table.unit.tolist() == ["ml", ""]
    assert table.definition[0] == MEASURES["volume_ml"].definition
    assert math.isnan(table.value[1])


def test_a_measure_that_is_not_in_the_catalogue_is_a_fault():
    with pytest.raises(KeyError):
        as_table([Row("tumour_1", "weight_g", 3)])


def test_a_value_that_is_not_there():
    table = as_table([Row("tumour_1", "volume_ml", 214.3)])
    assert value_of(table, "tumour_1", "volume_ml") == 214.3
    assert math.isnan(value_of(table, "tumour_2", "volume_ml"))
    assert value_of(as_table([]), "tumour_1", "volume_ml") != 0
