"""Out-of-fold predictions of one run."""

import numpy as np
import pandas as pd
from tqdm import tqdm

from deeprac.config import Config
from deeprac.files import write_csv
from deeprac.inference.load import open_run
from deeprac.inference.predictor import Prediction
from deeprac.layout import Layout
from deeprac.records.transforms import CANONICAL_COLUMNS, INPUT_COLUMNS, SINGLE_COLUMNS
from deeprac.volumes import read_volume, write_label_map


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
    target = layout.run(experiment, seed, fold)
    run = open_run(config, experiment, seed, fold)
    tables = []
    for row in tqdm(
        run.cases.itertuples(),
        total=len(run.cases),
        desc=f"{experiment} fold {fold}",
        unit="case",
    ):
        image, geometry = read_volume(layout.cohort / row.image)
        prediction = run.predictor.predict(
            image,
            geometry.GetSpacing()[::-1],
            run.oracle_input(row.case, len(image)),
        )
        path = target / "predictions" / f"{row.case}.nii.gz"
        write_label_map(path, prediction.labels, geometry)
        tables.append(transform_table(row.case, prediction))
    write_csv(target / "transforms.csv", pd.concat(tables, ignore_index=True))


def transform_table(case: str, prediction: Prediction) -> pd.DataFrame:
    """Return one row per slice: three transforms, entries row by row, and two flags."""
    count = len(prediction.labels)
    transforms = {
        INPUT_COLUMNS: prediction.image_from_input,
        CANONICAL_COLUMNS: prediction.image_from_canonical,
        SINGLE_COLUMNS: prediction.image_from_single,
    }
    table = pd.DataFrame(
        np.concatenate([t.reshape(count, 6) for t in transforms.values()], axis=1),
        columns=[name for names in transforms for name in names],
    )
    table.insert(0, "slice", np.arange(count))
    table.insert(0, "case", case)
    return table.assign(
        fallback=prediction.fallback.astype(int),
        at_bound=prediction.at_bound.astype(int),
    )
