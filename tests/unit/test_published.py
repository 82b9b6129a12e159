"""The rows of the paper (design section 9), read back from the data file."""

import pytest

from deeprac.reporting.published import read_published


def test_all_eight_rows_and_their_tables():
    tables = read_published().tables
    assert tables.to_dict() == {
        "coarse_nnunet": (1,),
        "coarse_nnunet_augment": (1,),
        "coarse_stn": (1,),
        "fine_nnunet": (1, 2),
        "fine_nnunet_augment": (1, 2),
        "fine_stn": (1,),
        "fine_stn_crop": (2,),
        "fine_stn_crop_half": (2,),
    }


@pytest.mark.parametrize(
    ("row", "hours", "kidney", "tumour"),
    [
        ("coarse_nnunet", 1 + 35 / 60, 0.8366, 0.6952),
        ("coarse_stn", 1.75, 0.8675, 0.7731),
        ("fine_nnunet_augment", 33, 0.8891, 0.8552),
        ("fine_stn", 25, 0.8801, 0.8712),
        ("fine_stn_crop_half", 19.5, 0.8671, 0.8415),
    ],
)
def test_numbers(row, hours, kidney, tumour):
    values = read_published().loc[row]
    assert values.training_seconds == pytest.approx(hours * 3600, abs=1)
    assert values.kidney_dice_mean == kidney
    assert values.tumour_dice_mean == tumour


def test_every_baseline_is_the_plain_row_of_its_matrix():
    published = read_published()
    baselines = published.loc[published.baseline]
    assert (baselines.method == "nnU-Net").all()
    assert (baselines.matrix_size.to_numpy() == published.matrix_size.to_numpy()).all()
    assert (published.loc["fine_nnunet", ["time_ratio", "memory_ratio"]] == 1).all()
