"""The paper's claims over what it does not print, against the numbers of its tables."""

import pytest

from deeprac.reporting.render import markdown
from deeprac.reporting.tables.published_claims import (
    COLUMNS,
    CORRELATIONS,
    PATIENTS,
    published_claims_rows,
    published_claims_table,
)


@pytest.fixture(scope="module")
def rows():
    return published_claims_rows()


def claim(rows, row, reference, label):
    mine = (rows.row == row) & (rows.reference == reference) & (rows.label == label)
    return rows[mine].set_index(["n", "correlation"])


def test_the_gain_on_tumours_may_well_be_none(rows):
    gain = claim(rows, "fine_stn", "fine_nnunet_augment", "tumour")
    assert gain.difference.unique() == pytest.approx([0.016])
    assert gain.p_false[80, 0.8] == pytest.approx(0.18, abs=0.005)
    assert gain.p_false[16, 0.8] == pytest.approx(0.34, abs=0.005)
    assert gain.p_false[80, 0.95] == pytest.approx(0.03, abs=0.005)


def test_the_gain_over_the_plain_network_is_no_chance(rows):
    gain = claim(rows, "fine_stn", "fine_nnunet", "tumour").reset_index()
    assert gain[gain.correlation >= 0.8].p_false.max() <= 0.0205


def test_only_gains_at_one_matrix_are_claims(rows):
    assert tuple(rows.columns) == COLUMNS
    assert (rows.difference > 0).all()
    assert (
        rows.row.str.split("_").str[0] == rows.reference.str.split("_").str[0]
    ).all()
    assert not len(claim(rows, "fine_stn", "fine_nnunet_augment", "kidney"))  # lower
    assert len(rows) % (len(PATIENTS) * len(CORRELATIONS)) == 0


def test_more_patients_and_likeness_make_a_claim_surer(rows):
    for _, own in rows.groupby(["row", "reference", "label"]):
        surface = own.pivot(index="n", columns="correlation", values="p_false")
        assert (surface.diff().iloc[1:] < 0).all(axis=None)
        assert (surface.diff(axis=1).iloc[:, 1:] < 0).all(axis=None)


def test_to_read():
    text = markdown(published_claims_table())
    line = next(
        line
        for line in text.splitlines()
        if "Against" not in line
        and "| STN pose-size + nnU-Net" in line
        and " 1.60 |" in line
    )
    assert [cell.strip() for cell in line.split("|")][1:4:2] == [
        "512",
        "STN pose-size + nnU-Net",
    ]
    assert "0.175" in line
    assert text.count("### If n = ") == len(PATIENTS)
