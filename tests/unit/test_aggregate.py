"""Numbers of the tables, derived by hand from a few rows."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from deeprac.config import load_config
from deeprac.errors import ConfigError
from deeprac.evaluation.statistics.patients import patient_dice
from deeprac.reporting.aggregate import experiment_rows
from support.results_tree import REPO

NAN = float("nan")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        f"methods: {REPO / 'config' / 'methods.yaml'}\n"
        f"experiments: {REPO / 'config' / 'experiments.tsv'}\n"
        "splits: {folds: 3}\n"
        "run: {experiments: [fine_nnunet, fine_stn_crop_half], folds: [0, 1]}\n"
    )
    return load_config([path])


def _case(experiment, case, label, dice, **changes):
    """A row whose patient is the case's first letter."""
    row = {"experiment": experiment, "case": case, "patient": case[0].upper()}
    return row | {"label": label, "dice": dice, "seed": 0, "coverage": 1.0} | changes


def _cases():
    rows = []
    for experiment, gain in (("fine_nnunet", 0.0), ("fine_stn_crop_half", 0.1)):
        rows += [
            # Patient A has two cases, 0.2 and 0.6: its mean is 0.4. Patient B: 0.8.
            _case(experiment, "a1", "kidney", 0.2 + gain),
            _case(experiment, "a2", "kidney", 0.6 + gain, coverage=0.75),
            _case(experiment, "b1", "kidney", 0.8 + gain),
            # Only patient B has a tumour in reference or prediction.
            _case(experiment, "a1", "tumour", NAN, coverage=NAN),
            _case(experiment, "a2", "tumour", NAN, coverage=NAN),
            _case(experiment, "b1", "tumour", 0.5, coverage=0.9),
        ]
    return pd.DataFrame(rows)


def _run(experiment, fold, **changes):
    plain = {
        "experiment": experiment,
        "fold": fold,
        "seed": 0,
        "training_patients": 9 + fold,
        "matrix_size": 512,
        "network_input_size": 512,
        "batch_size": 12,
        "optimiser": "sgd",
        "learning_rate": 0.01,
        "epochs": 4,
        "iterations_per_epoch": 10,
        "device": "cpu",
        "device_name": "a CPU",
        "training_seconds": 100.0 + 20 * fold,
        "epoch_seconds_median": 25.0,
        "gpu_peak_reserved_gib": NAN,
        "host_peak_gib": 4.0,
        "step_flops": 8e12,
        "step_saved_bytes": 2.0**31,
        "step_precision": "float32",
        "parameters": 7,
    }
    return plain | changes


def _runs(**changes):
    half = {
        "network_input_size": 256,
        "training_seconds": 55.0,
        "host_peak_gib": 3.0,
        "step_flops": 2e12,
        "step_saved_bytes": 2.0**29,
    }
    return pd.DataFrame(
        [_run("fine_nnunet", fold) for fold in (0, 1)]
        + [_run("fine_stn_crop_half", fold, **(half | changes)) for fold in (0, 1)]
    )


def test_patient_is_the_unit(config):
    plain = experiment_rows(config, _cases(), _runs()).iloc[0]
    assert plain.n_patients == 2
    assert plain.n_cases == 3
    assert plain.kidney_n == 2
    assert plain.kidney_dice_mean == pytest.approx((0.4 + 0.8) / 2)
    # SD over two patients: |0.8 - 0.4| / sqrt(2).
    assert plain.kidney_dice_training_sd == pytest.approx(0.4 / math.sqrt(2))
    assert plain.tumour_n == 1
    assert plain.tumour_dice_mean == 0.5
    assert math.isnan(plain.tumour_dice_training_sd)
    assert (plain.folds_run, plain.folds_planned, plain.n_seeds) == (2, 3, 1)
    assert (plain.kidney_coverage_min, plain.tumour_coverage_min) == (0.75, 0.9)
    assert plain.coverage_min == 0.75


def test_seeds_are_averaged_per_patient():
    cases = pd.DataFrame(
        [
            _case("e", "a1", "kidney", 0.2, seed=0),
            _case("e", "a2", "kidney", 0.4, seed=0),
            _case("e", "a1", "kidney", 0.9, seed=1),
            _case("e", "a2", "kidney", NAN, seed=1),
        ]
    )
    # Seed 0: 0.3, seed 1: 0.9 (its other case is undefined); mean 0.6, not 0.5.
    assert patient_dice(cases).dice.tolist() == pytest.approx([0.6])


def test_costs_and_ratios_to_the_plain_row(config):
    plain, half = experiment_rows(config, _cases(), _runs()).itertuples()
    assert plain.training_seconds == 110
    assert half.time_ratio == pytest.approx(55 / 110)
    assert (half.memory_gib, half.memory_kind) == (3.0, "host")
    assert half.memory_ratio == pytest.approx(0.75)
    assert (plain.step_tflops, half.flops_ratio) == (8.0, 0.25)
    assert (plain.step_saved_gib, half.saved_ratio) == (2.0, 0.25)
    assert (plain.time_ratio, plain.memory_ratio, plain.flops_ratio) == (1, 1, 1)


def test_saved_bytes_of_another_precision_are_not_compared(config):
    mixed = _runs(step_precision="mixed")
    plain, half = experiment_rows(config, _cases(), mixed).itertuples()
    assert (plain.step_precision, half.step_precision) == ("float32", "mixed")
    assert plain.saved_ratio == 1
    assert math.isnan(half.saved_ratio)
    assert half.flops_ratio == 0.25


def test_gpu_memory_where_the_runs_were_on_a_gpu(config):
    gpu = {"device": "cuda", "device_name": "a GPU", "gpu_peak_reserved_gib": 9.5}
    half = experiment_rows(config, _cases(), _runs(**gpu)).iloc[1]
    assert (half.memory_gib, half.memory_kind) == (9.5, "gpu_reserved")
    # Neither time nor memory of a GPU is set against a run on a CPU.
    assert math.isnan(half.time_ratio)
    assert math.isnan(half.memory_ratio)
    assert half.flops_ratio == 0.25


def test_no_plain_row_no_ratio(config):
    config = replace(
        config, run=replace(config.run, experiments=("fine_stn_crop_half",))
    )
    only = experiment_rows(config, _cases(), _runs()).iloc[0]
    assert math.isnan(only.time_ratio)
    assert only.paper_time_ratio == pytest.approx(19.5 / 22)


def test_the_papers_numbers_come_from_the_file(config):
    half = experiment_rows(config, _cases(), _runs()).iloc[1]
    assert half.paper_kidney_dice_mean == 0.8671
    assert half.paper_tumour_dice_sd == 0.3011
    assert half.paper_training_seconds == 19.5 * 3600
    assert half.paper_memory_gb == 3.52
    assert half.paper_memory_ratio == pytest.approx(3.52 / 10.05)


def test_unknown_published_row(config):
    row = replace(config.experiments["fine_nnunet"], published="fine_magic")
    config = replace(config, experiments=config.experiments | {"fine_nnunet": row})
    with pytest.raises(ConfigError, match=r"fine_nnunet\.published is 'fine_magic'"):
        experiment_rows(config, _cases(), _runs())
