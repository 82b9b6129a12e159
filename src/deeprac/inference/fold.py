"""Out-of-fold predictions of one run."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from deeprac.config import Config
from deeprac.files import write_csv
from deeprac.inference.ceiling import ceiling
from deeprac.inference.load import TrainedRun, open_run
from deeprac.layout import Layout
from deeprac.lease import held
from deeprac.records.inference import INFERENCE_COLUMNS
from deeprac.records.made_with import MADE_WITH, made_with
from deeprac.records.run_key import RunKey
from deeprac.records.runs import read_run
from deeprac.records.transforms import transform_table
from deeprac.space import predictions_bytes, require_space
from deeprac.training.cost import GIB
from deeprac.training.device import within_gpu_memory
from deeprac.volumes import read_volume, write_label_map


def predict_fold(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Segment all that a fold did not train on; write labels, transforms and cost.

    Labels of a case are written while the next one is segmented. Arguments and errors
    are those of ``open_run``.
    """
    layout = Layout.of(config)
    key = RunKey(config.cohort.name, experiment, seed, fold)
    target = key.folder(layout)
    what = f"The prediction of {key}"
    with held(target / "predict.lease", what):
        run = open_run(config, experiment, seed, fold)
        settings = made_with(config, read_run(target / "run.json", key))
        label_maps = (layout.cohort / path for path in run.cases.label)
        require_space(predictions_bytes(label_maps), target, what)
        with within_gpu_memory(what, run.smaller):
            transforms = _predict(run, layout, target, f"{experiment} fold {fold}")
        write_csv(target / "transforms.csv", transforms.assign(**{MADE_WITH: settings}))


def _predict(run: TrainedRun, layout: Layout, target: Path, what: str) -> pd.DataFrame:
    """Write label maps and cost; return the transforms."""
    cuda = run.predictor.device.type == "cuda"
    tables, costs = [], []
    written: Future[None] | None = None
    cases = tqdm(
        run.cases.itertuples(),
        total=len(run.cases),
        desc=what,
        unit="case",
    )
    with ThreadPoolExecutor(1) as writer:
        for row in cases:
            image, geometry = read_volume(layout.cohort / row.image)
            if cuda:
                torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            prediction = run.predictor.predict(
                image,
                geometry.GetSpacing()[::-1],
                run.oracle_input(row.case, len(image)),
            )
            seconds = time.perf_counter() - start
            peak = torch.cuda.max_memory_allocated() / GIB if cuda else None
            costs.append((row.case, len(image), seconds, peak))
            reference, _ = read_volume(layout.cohort / row.label)
            spacing = geometry.GetSpacing()[::-1]
            best = ceiling(run.predictor, reference, spacing, prediction.located)
            table = transform_table(row.case, prediction, best)  # type: ignore[arg-type]
            tables.append(table)
            if written is not None:
                written.result()  # or its error, before more is computed
            path = target / "predictions" / f"{row.case}.nii.gz"
            written = writer.submit(write_label_map, path, prediction.labels, geometry)
        if written is not None:
            written.result()
    cost = pd.DataFrame(costs, columns=list(INFERENCE_COLUMNS))
    write_csv(target / "inference.csv", cost)
    return pd.concat(tables, ignore_index=True)
