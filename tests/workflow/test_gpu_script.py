"""`make gpu` without a GPU: every part writes what it found."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

REPO = Path(__file__).parents[2]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.long
def test_every_part_of_make_gpu_works_at_tiny_sizes(tmp_path):
    command = [sys.executable, "benchmarks/gpu.py", "--tiny", "--out", str(tmp_path)]
    subprocess.run(command, cwd=REPO, check=True, capture_output=True)
    equal = lines(tmp_path / "equality.jsonl")
    arms = {row["experiment"] for row in equal}
    assert arms >= {"coarse_nnunet", "coarse_stn", "volumes_nnunet", "volumes_stn"}
    assert all(row["relative_difference"] == 0 for row in equal)
    steps = {row["step"]: row["ms"] for row in lines(tmp_path / "steps.jsonl")}
    assert steps.keys() >= {"coarse_nnunet", "fine_stn_crop_half", "stock, eager"}
    steps = {row["step"]: row["ms"] for row in lines(tmp_path / "volume_steps.jsonl")}
    assert steps.keys() == {"volumes_nnunet", "volumes_stn", "stock, eager"}
    assert all(steps.values())
    cases = {row["experiment"]: row for row in lines(tmp_path / "inference.jsonl")}
    assert cases["fine_nnunet"]["same_labels"] > 0.999
    assert all(row["seconds"] > 0 for row in cases.values())
    (run,) = (tmp_path / "trainings").rglob("run.json")
    assert json.loads(run.read_text())["experiment"] == "coarse_nnunet"
    assert (run.parent / "metrics.csv").exists()
    hours = [sys.executable, "benchmarks/paper_hours.py"]
    printed = subprocess.run(
        [*hours, str(tmp_path / "steps.jsonl")],
        cwd=REPO, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "all 40 trainings" in printed.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="it would take nine minutes")
def test_without_a_gpu_the_papers_sizes_are_refused(tmp_path, monkeypatch):
    script = REPO / "benchmarks" / "gpu.py"
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.setattr(sys, "argv", [str(script), "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="PyTorch sees no GPU here"):
        runpy.run_path(str(script), run_name="__main__")
