"""The workflow on real CT, with the shipped example configurations and no budget."""

import json

import pandas as pd
import pytest
import yaml

from support.checkout import snakemake, working_folder

pytestmark = pytest.mark.slow

NO_BUDGET = {"epochs": 1, "iterations_per_epoch": 2, "validation_iterations": 1}


def run_workflow(folder, shared_data, name, cohort, experiment):
    """Run one fold of one experiment on a real cohort; return its results."""
    working_folder(folder)
    overlay = {
        "cohort": {key: str(shared_data / value) for key, value in cohort.items()},
        "run": {"experiments": [experiment], "folds": [0], "seeds": [0]},
        "training": NO_BUDGET,
        "network": {"base_features": 4, "max_features": 16},
    }
    (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    files = (f"config/cohorts/{name}.yaml", "overlay.yaml")
    result = snakemake(folder, "--cores", "2", "--configfile", *files)
    assert result.returncode == 0, result.stdout[-5000:]
    return folder / "results" / name


@pytest.mark.long
def test_slices_of_kits(shared_data, tmp_path):
    cohort = {
        "path": "kits_slices_nnunet",
        "patients": "kits_slices_nnunet/patients.csv",
    }
    results = run_workflow(tmp_path, shared_data, "kits_slices", cohort, "coarse_stn")
    cases = pd.read_csv(results / "cohort/cases.csv")
    assert (len(cases), cases["patient"].nunique()) == (81, 37)
    held_out = json.loads((results / "splits_final.json").read_text())[0]["val"]
    patients = cases.loc[cases["case"].isin(held_out), "patient"].nunique()
    table = pd.read_csv(results / "tables/all.csv")
    assert table["n_patients"].tolist() == [patients]
    assert (results / "figures/overlays_coarse.png").exists()


@pytest.mark.long
def test_whole_volumes(shared_data, tmp_path):
    cohort = {"path": "real_ct_nnunet"}
    results = run_workflow(
        tmp_path, shared_data, "real_ct", cohort, "fine_stn_crop_half"
    )
    cases = pd.read_csv(results / "summary/cases.csv").set_index("label")
    # One of three patients is held out; its kidneys are of adult size.
    assert cases.loc["kidney", "reference_volume_ml"] > 100
    assert cases.loc["kidney", "coverage"] > 0.9
    assert (results / "figures/stn_slices.png").exists()
