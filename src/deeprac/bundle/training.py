"""What a model was trained on and how good it was on held-out cases, in numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from deeprac import provenance
from deeprac.bundle.manifest import RANGES
from deeprac.cohort.check import CHECK
from deeprac.config import Config
from deeprac.layout import Layout
from deeprac.records.case_split import CV, of_split
from deeprac.records.cases import read_cases
from deeprac.records.inference import INFERENCE_COLUMNS
from deeprac.records.metrics import read_metrics
from deeprac.records.run_key import RunKey
from deeprac.records.runs import OTHER_CASES, PRETRAINING
from deeprac.records.splits import read_split
from deeprac.records.tidy import read_tidy

SHOWN = ("dice", "nsd_2mm", "hd95_mm", "volume_error_percent")
"""Metrics of held-out cases that a bundle states."""

_NEEDED = (
    *("case", "patient", "size_x", "spacing_x_mm", "spacing_z_mm"),
    *("age_years", "kidney_ml", "tumour_ml"),
)


def training_section(
    config: Config, folds: Sequence[int], records: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What the cases were on which any of the folds was trained.

    Args:
        config: the whole configuration.
        folds: their numbers.
        records: their ``run.json``.

    Returns:
        With ``pretraining`` and ``other_cases``, if any, the cohorts from whose
        networks they started and from whose slices they drew.

    Raises:
        MetricsError: the table of the cohort is missing or foreign.
        SplitError: there is no such fold.
    """
    layout = Layout.of(config)
    names = {name for k in folds for name in read_split(layout.splits, k)["train"]}
    table = read_cases(layout.cases_csv, _NEEDED)
    cases = table[table.case.isin(names)]
    taken = {
        key: sorted({record[key]["cohort"] for record in records if key in record})
        for key in (PRETRAINING, OTHER_CASES)
    }
    return {key: cohorts for key, cohorts in taken.items() if cohorts} | {
        "cohort": config.cohort.name,
        "format": config.cohort.format,
        "patients": int(cases.patient.nunique()),
        "cases": len(cases),
        "ranges": _ranges(cases, layout),
    }


def _ranges(cases: pd.DataFrame, layout: Layout) -> dict[str, list[float]]:
    """Smallest and largest value of ``RANGES``, of what is known of the cases."""
    columns = cases.assign(field_of_view_mm=cases.size_x * cases.spacing_x_mm)
    # The cohort's check measures more than cases.csv holds.
    checked = layout.cohort / CHECK / "cases.csv"
    if checked.is_file():
        medians = read_cases(checked, ("case", "kidney_median")).kidney_median
        columns["kidney_hu"] = medians.reindex(cases.case)
    known = {name: columns[name].dropna() for name in RANGES if name in columns.columns}
    return {
        name: [float(values.min()), float(values.max())]
        for name, values in known.items()
        if len(values)
    }


def held_out_section(runs: Sequence[RunKey], layout: Layout) -> dict[str, Any]:
    """Metrics of the cases that no network saw which segmented them.

    Raises:
        MetricsError: a ``metrics.csv`` is missing or foreign.
    """
    tables = []
    for run in runs:
        remedy = run.again("evaluate")
        path = run.folder(layout) / "metrics.csv"
        table = read_metrics(path, remedy=remedy)
        run.check_table(table, path, remedy=remedy)
        tables.append(table)
    metrics = of_split(pd.concat(tables, ignore_index=True), CV)
    return {
        "patients": int(metrics.patient.nunique()),
        "cases": int(metrics.case.nunique()),
        "metrics": {
            str(label): {name: _summary(rows[name]) for name in SHOWN}
            for label, rows in metrics.groupby("label")
        },
    }


def _summary(values: pd.Series) -> dict[str, float | int | None]:
    known = values.to_numpy(float)
    known = known[np.isfinite(known)]
    if not len(known):
        return {"n": 0, "mean": None, "sd": None, "median": None}
    return {
        "n": len(known),
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "median": float(np.median(known)),
    }


def cost_section(
    runs: Sequence[RunKey], records: Sequence[dict[str, Any]], layout: Layout
) -> dict[str, Any]:
    """What segmenting cost where the model was trained: one fold, by slice.

    Args:
        runs: of the folds.
        records: their ``run.json``.
        layout: of the results.

    Raises:
        MetricsError: an ``inference.csv`` is missing or foreign.
    """
    tables = [
        read_tidy(
            run.folder(layout) / "inference.csv",
            INFERENCE_COLUMNS,
            remedy=run.again("predict"),
        )
        for run in runs
    ]
    costs = pd.concat(tables, ignore_index=True)
    peak = costs.gpu_peak_gib.max()
    return {
        "seconds_per_slice": float((costs.seconds / costs.slices).median()),
        "gpu_peak_gib": None if np.isnan(peak) else float(peak),
        "device": provenance.device_title(records[0]),
        "training_seconds": float(sum(r["cost"]["training_seconds"] for r in records)),
        "parameters": int(records[0]["cost"]["parameters"]),
    }
