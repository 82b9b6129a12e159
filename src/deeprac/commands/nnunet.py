"""nnU-Net reads its settings from the environment: set here and nowhere else."""

import os
from pathlib import Path

from deeprac.layout import Layout


def configure_nnunet(layout: Layout, *, workspace: Path, data_workers: int) -> None:
    """Point nnU-Net to the cohort's files.

    Compilation is off in every method: the warps of the Spatial Transformer gain
    little from it and timings must compare.

    Args:
        layout: the cohort's files.
        workspace: where nnU-Net writes while it trains.
        data_workers: processes that load and augment; 0 for none.
    """
    # OpenMP threads that spin while they wait make a training ten times slower as soon
    # as anything else runs on the machine; sleeping costs a quarter when nothing does.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ |= {
        "nnUNet_raw": str(layout.root),
        "nnUNet_preprocessed": str(layout.root.parent),
        "nnUNet_results": str(workspace / "nnunet"),
        "nnUNet_n_proc_DA": str(data_workers),
        "nnUNet_def_n_proc": "1",
        "nnUNet_compile": "false",
    }
