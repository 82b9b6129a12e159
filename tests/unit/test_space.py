"""Bytes of every kind of file, and room for them before a job begins."""

from types import SimpleNamespace

import pytest

from deeprac import space
from deeprac.cli import main
from deeprac.errors import RunError
from deeprac.schema import load_schema
from deeprac.space import (
    bytes_below,
    checkpoints_bytes,
    converted_bytes,
    free_bytes,
    predictions_bytes,
    require_space,
    slices_bytes,
    weights_bytes,
)

MILLION = 10**6


@pytest.fixture
def disk(monkeypatch):
    """Sets what the disk has left."""

    def leave(free):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)

    return leave


def test_three_checkpoints_have_weights_and_what_the_optimiser_keeps():
    # Four bytes a number; SGD keeps its momentum, AdamW two moments.
    assert checkpoints_bytes(MILLION, "sgd") == 3 * 2 * 4 * MILLION
    assert checkpoints_bytes(MILLION, "adamw") == 3 * 3 * 4 * MILLION


def test_every_optimiser_of_the_schema_has_its_states():
    properties = load_schema()["properties"]["training"]["properties"]
    assert set(space.STATES) == set(properties["optimiser"]["enum"])


def test_final_weights_are_there_twice():
    assert weights_bytes(MILLION) == 8 * MILLION


def test_slices_of_kits_take_what_they_took():
    # 300 cases at 512 x 512 took 14 GB, 0.21 MB a slice: the bound is near, and above.
    slices = 14_000 / 0.21
    found = slices_bytes(slices, 512**2, cases=300, labels=2, shrunk=False)
    assert 14e9 < found < 1.3 * 14e9


def test_places_of_labels_count_for_each_case():
    one, other = (
        slices_bytes(10, 100, cases=cases, labels=2, shrunk=True) for cases in (1, 4)
    )
    assert other - one == 3 * 2 * 320_000
    assert one == 1700 + 640_000


def test_converted_cases_by_their_voxels():
    assert converted_bytes(1000) == 1107


def test_predictions_are_as_large_as_label_maps(tmp_path):
    for name, size in (("a", 30), ("b", 12)):
        (tmp_path / name).write_bytes(bytes(size))
    assert predictions_bytes([tmp_path / "a", tmp_path / "b"]) == 42
    assert bytes_below(tmp_path) == 42
    assert bytes_below(tmp_path / "nowhere") == 0


def test_a_folder_that_is_not_there_yet_has_the_disk_of_the_one_above(tmp_path, disk):
    disk(7)
    assert free_bytes(tmp_path / "not" / "yet") == 7


@pytest.mark.parametrize("free", [MILLION - 1, MILLION])
def test_what_does_not_fit_is_refused(tmp_path, disk, free):
    disk(free)
    what = "fine_stn, fold 0: the checkpoints of a training"
    if free == MILLION:
        require_space(MILLION, tmp_path, what)
        return
    with pytest.raises(RunError) as refused:
        require_space(MILLION, tmp_path, what)
    message = str(refused.value)
    assert message.startswith(f"{what} may take up to 0.00 GB")
    assert str(tmp_path) in message
    assert "Free space there" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("train", "fine_stn_crop_half, fold 0: the checkpoints of a training"),
        ("predict", "The prediction of fine_stn_crop_half, seed 0, fold 0"),
        ("stress", "fine_stn_crop_half, seed 0, fold 0: stress.csv"),
    ],
)
def test_jobs_look_for_space_before_they_begin(
    trained_toy, tmp_path, disk, capsys, verb, what
):
    from support.toy_cohort import (  # noqa: PLC0415 (torch)
        copy_toy,
        run_arguments,
        small_networks,
    )

    path = copy_toy(trained_toy, tmp_path)
    folder = tmp_path / "toy/fine_stn_crop_half/seed0/fold_0"
    there = sorted(folder.rglob("*"))
    disk(0)
    arguments = run_arguments("fine_stn_crop_half")
    with small_networks():
        assert main([verb, "--config", str(path), *arguments]) == 1
    assert f"{what} may take up to" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == there
