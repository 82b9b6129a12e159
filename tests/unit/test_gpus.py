"""One GPU for each process, on a machine that pretends to have some."""

import os
import subprocess
import sys

import pytest

from deeprac.errors import DeviceError
from deeprac.gpus import PRETENDED, VISIBLE, number_of_gpus, one_gpu

HOLD = """
import os, sys, time
from pathlib import Path
from deeprac.gpus import VISIBLE, one_gpu
with one_gpu(Path(sys.argv[1])):
    print(os.environ[VISIBLE], flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def two(monkeypatch):
    """Two GPUs, none of them given by a scheduler."""
    monkeypatch.setenv(PRETENDED, "2")
    monkeypatch.delenv(VISIBLE, raising=False)


def test_each_gets_its_own_and_a_third_is_told_what_to_do(tmp_path):
    with one_gpu(tmp_path):
        assert os.environ[VISIBLE] == "0"
        assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
        del os.environ[VISIBLE]  # as in another process
        with one_gpu(tmp_path):
            assert os.environ[VISIBLE] == "1"
            del os.environ[VISIBLE]
            with (
                pytest.raises(DeviceError, match=r"\(2\) are taken.*gpu=2.*to share"),
                one_gpu(tmp_path),
            ):
                pass
    assert VISIBLE not in os.environ
    with one_gpu(tmp_path):
        assert os.environ[VISIBLE] == "0"


def test_a_killed_process_holds_nothing(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "0"
        with one_gpu(tmp_path):
            assert os.environ[VISIBLE] == "1"
        process.kill()
        process.wait()
    with one_gpu(tmp_path):
        assert os.environ[VISIBLE] == "0"


@pytest.mark.parametrize("given", ["1", "GPU-1f", ""])
def test_what_a_scheduler_says_is_respected(tmp_path, monkeypatch, given):
    monkeypatch.setenv(VISIBLE, given)
    with one_gpu(tmp_path):
        assert os.environ[VISIBLE] == given
    assert os.environ[VISIBLE] == given
    assert list(tmp_path.iterdir()) == []


def test_without_a_gpu_nothing_is_chosen(tmp_path, monkeypatch):
    monkeypatch.delenv(PRETENDED)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert number_of_gpus() == 0
    with one_gpu(tmp_path):
        assert VISIBLE not in os.environ


@pytest.mark.parametrize(("answer", "count"), [("echo 0; echo 1", 2), ("exit 9", 0)])
def test_the_drivers_own_list_counts(tmp_path, monkeypatch, answer, count):
    monkeypatch.delenv(PRETENDED)
    driver = tmp_path / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\n{answer}\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert number_of_gpus() == count
