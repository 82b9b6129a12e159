"""What a trained network is told of a case: oracles alone, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deeprac.networks.front_end import Given
from deeprac.records.case_poses import read_case_poses
from deeprac.training.front_end import given_for

Told = Callable[[str, int], Given | None]
"""What a network is told of a case, by name and number of slices; None: nothing."""


def told_of(settings: dict[str, Any], case_poses_csv: Path) -> Told:
    """Return what says what a network is told; only oracles are told anything.

    Args:
        settings: the plans' ``deeprac`` section.
        case_poses_csv: where size, pose and labels of every case lie; read for an
            oracle only.

    Raises:
        MetricsError: an oracle's file is missing or lacks a column.
    """
    front_end = settings["front_end"] or {}
    kinds = (front_end.get("normaliser"), front_end.get("crop"))
    if "oracle" not in kinds:
        return lambda case, slices: None
    poses = read_case_poses(case_poses_csv)

    def told(case: str, slices: int) -> Given:
        return given_for([poses[case]] * slices, oracle=kinds[0] == "oracle")

    return told
