"""inference.csv: what segmenting each held-out case of a run cost."""

INFERENCE_COLUMNS = ("case", "slices", "seconds", "gpu_peak_gib")
"""Columns of inference.csv, one row per case.

Seconds are from the volume in memory to its labels: preprocessing, locating, the
network and the way back to the native grid, without reading and writing files. The peak
is of the GPU's memory allocated to tensors; empty without a GPU.
"""
