"""Out-of-fold predictions of one run."""

from dataclasses import asdict

import numpy as np
import pandas as pd
from tqdm import tqdm

from deeprac.cohort.splits import read_cases
from deeprac.config import Config
from deeprac.errors import RunError
from deeprac.files import read_json, write_csv
from deeprac.inference.load import load_predictor
from deeprac.inference.predictor import Prediction
from deeprac.layout import Layout
from deeprac.training.device import resolve_device
from deeprac.volumes import read_volume, write_label_map

ENTRIES = ("11", "12", "13", "21", "22", "23")


def predict_fold(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Segment every held-out case of a fold and write labels and transforms.

    Args:
        config: the whole configuration.
        experiment: name of the experiment.
        seed: seed of the run.
        fold: number of the fold.

    Raises:
        RunError: the run is missing, or a held-out case is not in the cohort.
        DeviceError: the device is not there.
    """
    layout = Layout.of(config)
    model, target = layout.model(experiment, seed), layout.run(experiment, seed, fold)
    device = resolve_device(config.training.device)
    predictor = load_predictor(model, fold, device)
    predictor.settings["inference"] = asdict(config.inference)
    images = _images(layout)
    held_out = read_json(layout.splits)[fold]["val"]
    missing = sorted(set(held_out) - set(images))
    if missing:
        raise RunError(
            f"Fold {fold} of {layout.splits} names cases that {layout.cases_csv} does "
            f"not have: {', '.join(missing)}. Run `deeprac splits` again."
        )
    tables = []
    for case in tqdm(held_out, desc=f"{experiment} fold {fold}", unit="case"):
        image, geometry = read_volume(layout.cohort / images[case])
        prediction = predictor.predict(image, geometry.GetSpacing()[::-1])
        path = target / "predictions" / f"{case}.nii.gz"
        write_label_map(path, prediction.labels, geometry)
        tables.append(transform_table(case, prediction))
    write_csv(target / "transforms.csv", pd.concat(tables, ignore_index=True))


def transform_table(case: str, prediction: Prediction) -> pd.DataFrame:
    """Return one row per slice with both transforms, entries row by row."""
    count = len(prediction.labels)
    flat = np.concatenate(
        [
            prediction.image_from_input.reshape(count, 6),
            prediction.image_from_canonical.reshape(count, 6),
        ],
        axis=1,
    )
    columns = [f"{letter}{entry}" for letter in "ac" for entry in ENTRIES]
    table = pd.DataFrame(flat, columns=columns)
    table.insert(0, "slice", np.arange(count))
    table.insert(0, "case", case)
    return table


def _images(layout: Layout) -> dict[str, str]:
    cases = read_cases(layout.cases_csv)
    return dict(zip(cases["case"], cases["image"], strict=True))
