"""Out-of-fold predictions of one run."""

import pandas as pd
from tqdm import tqdm

from deeprac.config import Config
from deeprac.files import write_csv
from deeprac.inference.load import open_run
from deeprac.layout import Layout
from deeprac.records.transforms import transform_table
from deeprac.volumes import read_volume, write_label_map


def predict_fold(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Segment every held-out case of a fold and write labels and transforms.

    Arguments and errors are those of ``open_run``.
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
        table = transform_table(row.case, prediction)  # type: ignore[arg-type]  # frozen
        tables.append(table)
    write_csv(target / "transforms.csv", pd.concat(tables, ignore_index=True))
