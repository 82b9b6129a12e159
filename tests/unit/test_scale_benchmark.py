"""What the benchmark of many runs makes up is read as results are."""

import importlib.util
import sys
from pathlib import Path

import pytest

from deeprac.config import load_config
from deeprac.evaluation.summarise import collect_cases, collect_runs
from deeprac.layout import Layout

PATH = Path(__file__).parents[2] / "benchmarks" / "scale.py"


@pytest.fixture
def scale(monkeypatch):
    spec = importlib.util.spec_from_file_location("scale", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "METHODS", ("nnunet", "stn"))
    monkeypatch.setattr(module, "SIZES", (64,))
    return module


def test_results_pass_every_check_of_the_summary(scale, tmp_path, monkeypatch):
    config = load_config([scale.write_config(tmp_path, seeds=2, folds=2, cases=3)])
    scale.write_results(tmp_path, config)
    monkeypatch.chdir(tmp_path)
    layout = Layout.of(config)
    cases, runs = collect_cases(config, layout), collect_runs(config, layout)
    assert len(cases) == 8 * 3 * 3  # runs x cases x labels
    assert (len(runs), runs.shared_machine.any()) == (8, False)
    assert cases.groupby(["experiment", "seed"]).case.nunique().tolist() == [6] * 4


def test_cost_is_that_of_the_command_and_what_it_starts(scale, tmp_path):
    work = "import time\nwhile time.process_time() < 0.3: pass"
    child = f"subprocess.run([sys.executable, '-c', {work!r}])"
    command = (sys.executable, "-c", f"import subprocess, sys; {child}")
    cost = scale.measured(*command, folder=tmp_path)
    assert cost.cpu_s >= 0.3
    assert cost.peak_gb > 0  # at least that of this process, of which it is a fork
    failing = (sys.executable, "-c", "raise SystemExit('no such thing')")
    with pytest.raises(SystemExit, match="no such thing"):
        scale.measured(*failing, folder=tmp_path)
