"""Tables of a study are read, and show what its files say."""

import pytest

from deeprac.errors import MetricsError
from deeprac.reporting.render import markdown
from deeprac.reporting.window_geometry import (
    ceilings_table,
    read_geometry,
    summary_text,
    windows_table,
)
from deeprac.windows import KINDS
from support.geometry_tables import geometry_files


def test_the_table_has_a_line_per_kind(tmp_path):
    geometry_files(tmp_path)
    windows = read_geometry(tmp_path)["windows"]
    table = windows_table(windows)
    assert list(table.rows.pixels) == [kind.title for kind in KINDS]
    # All boxes are 0.5 wide and 0.2 high.
    assert table.rows.need_median[0] == pytest.approx(0.5)
    first = next(line for line in markdown(table).splitlines() if "stn 256" in line)
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells[:7] == ["stn 256 x 256", "0.25", *["0.50"] * 4, "0.55"]


def test_ceilings_are_means_over_cases(tmp_path):
    geometry_files(tmp_path)
    rows = ceilings_table(read_geometry(tmp_path)["ceilings"]).rows
    assert list(rows.through) == ["whole slice", "stn 256 x 256"]
    assert list(rows.kidney_dice) == pytest.approx([0.9, 0.8])
    assert list(rows.tumour_dice) == pytest.approx([0.7, 0.6])


def test_summary_in_words(tmp_path):
    geometry_files(tmp_path)
    text = summary_text(tmp_path)
    assert "4 cases: 1 of one component, 3 with both sides told" in text
    assert "median 0.500, 95 % 0.500, largest 0.500" in text


def test_a_table_that_is_missing_is_named(tmp_path):
    geometry_files(tmp_path)
    (tmp_path / "coverage.csv").unlink()
    with pytest.raises(MetricsError, match=r"coverage.csv.*deeprac cohort geometry"):
        read_geometry(tmp_path)
