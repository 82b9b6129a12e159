"""Out-of-fold predictions of one run."""

from dataclasses import asdict

import pandas as pd
from tqdm import tqdm

from deeprac.config import Config
from deeprac.files import write_csv
from deeprac.inference.load import load_predictor
from deeprac.inference.told import told_of
from deeprac.layout import Layout
from deeprac.records.splits import held_out_cases
from deeprac.records.transforms import transform_table
from deeprac.training.device import resolve_device
from deeprac.volumes import read_volume, write_label_map


def predict_fold(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Segment every held-out case of a fold and write labels and transforms.

    Args:
        config: the whole configuration.
        experiment: name of the experiment.
        seed: seed of the run.
        fold: number of the fold.

    Raises:
        RunError: the run is missing.
        SplitError: there is no such fold, or the cohort lacks one of its cases.
        DeviceError: the device is not there.
    """
    layout = Layout.of(config)
    model, target = layout.model(experiment, seed), layout.run(experiment, seed, fold)
    device = resolve_device(config.training.device)
    predictor = load_predictor(model, fold, device)
    predictor.settings["inference"] = asdict(config.inference)
    told = told_of(predictor.settings, layout.case_poses)
    tables = []
    held_out = held_out_cases(layout.cases_csv, layout.splits, fold)
    for row in tqdm(
        held_out.itertuples(),
        total=len(held_out),
        desc=f"{experiment} fold {fold}",
        unit="case",
    ):
        case = row.case
        image, geometry = read_volume(layout.cohort / row.image)
        prediction = predictor.predict(
            image, geometry.GetSpacing()[::-1], told(case, len(image))
        )
        path = target / "predictions" / f"{case}.nii.gz"
        write_label_map(path, prediction.labels, geometry)
        tables.append(transform_table(case, prediction))
    write_csv(target / "transforms.csv", pd.concat(tables, ignore_index=True))
