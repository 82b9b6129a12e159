"""Files from anywhere are read as weights and numbers, or refused; none is run."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deeprac.errors import RunError
from deeprac.training.checkpoint import WEIGHTS, read_checkpoint

LOGGED = {
    "ema_fg_dice": [np.float32(0.25)],
    "val_losses": [np.float64(-0.5), np.nan],
    "segment": [np.int64(3), 0, None, np.bool_(True)],
}


def good() -> dict:
    """A checkpoint as nnU-Net writes it."""
    return {
        WEIGHTS: {"layer.weight": torch.arange(6.0).reshape(2, 3)},
        "logging": LOGGED,
        "init_args": {"device": torch.device("cpu"), "fold": 0},
    }


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self):
        return os.mkdir, (str(self.flag),)


def saved(folder: Path, content: object) -> Path:
    torch.save(content, folder / "checkpoint_final.pth")
    return folder / "checkpoint_final.pth"


def test_weights_and_logged_numbers_come_back(tmp_path):
    content = read_checkpoint(saved(tmp_path, good()), (WEIGHTS, "logging"))
    assert content[WEIGHTS]["layer.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    np.testing.assert_equal(content["logging"], LOGGED)
    assert content["init_args"]["device"] == torch.device("cpu")


def test_logged_numbers_of_numpy_1_come_back(tmp_path):
    """Its name of the module that makes them was another one."""
    new, old = saved(tmp_path, good()), tmp_path / "old.pth"
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            renamed = content.replace(b"numpy._core.multi", b"numpy.core.multi")
            assert (renamed != content) == name.endswith("data.pkl")
            target.writestr(name, renamed)
    np.testing.assert_equal(read_checkpoint(old)["logging"], LOGGED)


@pytest.mark.parametrize("place", [WEIGHTS, "logging", "init_args", "anything"])
def test_code_is_refused_and_not_run(tmp_path, place):
    flag = tmp_path / "was_run"
    path = saved(tmp_path, good() | {place: Payload(flag)})
    with pytest.raises(RunError, match=r"other than weights \(\w+\.mkdir\), and none"):
        read_checkpoint(path)
    assert not flag.exists()
    torch.load(path, weights_only=False)
    assert flag.exists()  # so the payload is one


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_is_refused_and_not_run(tmp_path, protocol):
    path, flag = tmp_path / "a.pth", tmp_path / "was_run"
    path.write_bytes(pickle.dumps({WEIGHTS: Payload(flag)}, protocol))
    with pytest.raises(RunError, match="code or objects other than weights"):
        read_checkpoint(path)
    assert not flag.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"model": {}}, "it has no network_weights"),
        ([1, 2], "it has no network_weights"),
        ({WEIGHTS: [1.0]}, "its network_weights are objects other than weights"),
        ({WEIGHTS: {"a": 1.0}}, "its network_weights are objects other than weights"),
        ({WEIGHTS: {1: torch.zeros(1)}}, "its network_weights are objects other"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path, content, words):
    with pytest.raises(RunError, match=f"{words}.*train the fold again"):
        read_checkpoint(saved(tmp_path, content))


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"\0" * 3000, b"PK", b"text"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(RunError, match="again, or"):
        read_checkpoint(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("whole"), good())


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_checkpoint_cut_anywhere_is_named(whole, share):
    content = whole.read_bytes()
    path = whole.with_name("cut.pth")
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RunError, match=r"cut short or damaged|other than weights"):
        read_checkpoint(path)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "nothing.pth")
