"""Masks become tables, a figure and a manifest, by one verb."""

import pandas as pd
import pytest

from deeprac import cli
from deeprac.errors import CohortError
from deeprac.files import manifest_entry, read_json
from deeprac.mask_geometry.geometry_study import (
    GeometryTables,
    geometry_tables,
    made_by,
    write_study,
)
from deeprac.mask_geometry.masks import find_masks
from deeprac.mask_geometry.window_table import window_table
from deeprac.reporting.window_geometry import summary_text
from support.mask_folders import annotators_folder, kits_folder, two_kidneys, write_mask


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("masks")
    return kits_folder(root / "kits"), annotators_folder(root / "annotators")


@pytest.fixture(scope="module")
def tables(folders) -> GeometryTables:
    return geometry_tables(find_masks(folders))


def test_each_case_has_its_rows(tables):
    names = ["case_00000", "case_00001", "case_00002"]
    assert list(tables.cases.case) == names
    assert list(tables.cases.components) == [2, 2, 1]
    for table in (tables.coverage, tables.ceilings):
        assert sorted(set(table.case)) == names
    assert list(tables.agreement.case) == names[:1]
    # 8 x 6 + 7 x 6 pixels, and a column of 8 more.
    kidney = 2 * 90 / (90 + 98)
    assert tables.agreement.kidney_dice[0] == pytest.approx(kidney, abs=1e-6)
    assert tables.agreement.tumour_dice[0] == 1


def test_windows_follow_from_the_cases_as_they_are_written(tables, tmp_path):
    write_study(tables, tmp_path / "out", made_by(), note="n")
    cases = pd.read_csv(tmp_path / "out/cases.csv")
    again = window_table(cases).round(6)
    pd.testing.assert_frame_equal(again, tables.windows)


def test_the_manifest_says_what_was_written(tables, tmp_path):
    write_study(tables, tmp_path / "out", made_by(), note="of phantoms")
    manifest = read_json(tmp_path / "out/release.json")
    assert (manifest["cases"], manifest["note"]) == (3, "of phantoms")
    assert manifest["git"]["commit"]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {*manifest["files"], "release.json"}
    for name, entry in manifest["files"].items():
        assert manifest_entry((tmp_path / "out" / name).read_bytes()) == entry


@pytest.mark.slow
def test_the_verb_with_workers_writes_the_same(folders, tables, tmp_path, capsys):
    out, figure = tmp_path / "out", tmp_path / "windows"
    arguments = ["--out", str(out), "--figure", str(figure), "--workers", "2"]
    assert cli.main(["cohort", "geometry", *map(str, folders), *arguments]) == 0
    for name, text in tables.files().items():
        assert (out / name).read_text() == text
    assert {path.suffix for path in tmp_path.glob("windows.*")} == {".png", ".svg"}
    printed = capsys.readouterr().out
    assert "3 cases: 1 of one component, 2 with both sides told" in printed


def test_the_verb_keeps_what_is_there(folders, tmp_path, capsys):
    arguments = [*map(str, folders), "--out", str(tmp_path)]
    assert cli.main(["cohort", "geometry", *arguments]) == 1
    assert "--out names a new folder" in capsys.readouterr().err


def test_with_one_annotator_agreement_is_said_to_be_unknown(folders, tables, tmp_path):
    """The tables are all there, that of the agreement without a row."""
    alone = annotators_folder(tmp_path / "alone")
    for mask in alone.rglob("*annotation-2*"):
        mask.unlink()
    of_one = geometry_tables(find_masks([alone]))
    write_study(of_one, tmp_path / "one", {}, note="n")
    read = pd.read_csv(tmp_path / "one/agreement.csv")
    assert read.empty
    assert list(read) == list(tables.agreement)
    assert "no case was drawn by two annotators" in summary_text(tmp_path / "one")
    write_study(tables, tmp_path / "two", {}, note="n")
    said = "1 case drawn by two annotators or more: mean Dice of every two, %: kidney "
    assert f"{said}95.7, tumour 100.0" in summary_text(tmp_path / "two")


def test_nothing_is_written_where_a_mask_is_bad(tmp_path):
    bad = kits_folder(tmp_path / "kits", cases=1)
    write_mask(bad / "case_00000/segmentation.nii.gz", 9 * two_kidneys())
    with pytest.raises(CohortError, match=r"case_00000: .*values that are not mapped"):
        geometry_tables(find_masks([bad]))
