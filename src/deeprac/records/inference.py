"""inference.csv: what segmenting each held-out case of a run cost."""

from pathlib import Path

from deeprac.records.tidy import read_tidy

INFERENCE_COLUMNS = ("case", "slices", "seconds", "gpu_peak_gib")
"""Columns of inference.csv, one row per case.

Seconds are from the volume in memory to its labels: preprocessing, locating, the
network and the way back to the native grid, without reading and writing files. The peak
is of the GPU's memory allocated to tensors; empty without a GPU.
"""

PREDICT = ("predict_seconds", "predict_gpu_gib")
"""What segmenting cost a run: columns of summary/runs.csv."""


def predict_cost(path: Path, *, remedy: str) -> dict[str, float]:
    """What segmenting cost a run: ``PREDICT``.

    Args:
        path: inference.csv of the run. Older releases have none.
        remedy: What the user does when the table is foreign.

    Returns:
        Median seconds per case and the largest GPU peak in GiB; NaN without a file,
        the peak also without a GPU.

    Raises:
        MetricsError: It is no table or lacks a column.
    """
    if not path.is_file():
        return dict.fromkeys(PREDICT, float("nan"))
    table = read_tidy(path, INFERENCE_COLUMNS, remedy=remedy)
    costs = table.seconds.median(), table.gpu_peak_gib.max()
    return dict(zip(PREDICT, map(float, costs), strict=True))
