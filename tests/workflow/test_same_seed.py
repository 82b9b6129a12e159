"""The same seed on the same CPU gives the same metrics, from training to evaluation."""

import shutil

import pytest

from support.checkout import snakemake

pytestmark = pytest.mark.slow
RUN = "coarse_stn/seed0/fold_0"
METRICS = f"results/smoke/{RUN}/metrics.csv"


def test_a_second_training_gives_the_same_metrics(smoke_run, tmp_path):
    shutil.copytree(smoke_run, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "results/smoke/.checkpoints" / RUN)
    shutil.rmtree(tmp_path / "results/smoke" / RUN)
    arguments = ("--cores", "2", "--configfile", "config/smoke.yaml")
    result = snakemake(tmp_path, METRICS, *arguments)
    assert result.returncode == 0, result.stdout[-5000:]
    again, first = tmp_path / METRICS, smoke_run / METRICS
    assert again.read_bytes() == first.read_bytes()
