"""What normalisers do: the experiment that shows it and its held-out slices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deeprac.config import Config
from deeprac.geometry.planar import parameters
from deeprac.labels import Label
from deeprac.records.transforms import (
    CANONICAL_COLUMNS,
    INPUT_COLUMNS,
    case_matrices,
    read_transforms,
)
from deeprac.reporting.roles import normalises, selected_experiments
from deeprac.reporting.slices import AxialSlice, read_slice
from deeprac.reporting.summary import Summary
from deeprac.settings.methods import Experiment

SIDE = 256
"""Side in pixels of the squares that are drawn."""

SQUARE = (-1.0, 1.0, 1.0, -1.0)
"""Extent of a padded or canonical square in normalised units."""

NATIVE = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class NormalisedSlice:
    """A held-out slice with the transforms that the network applied to it.

    Attributes:
        case: Name of the case.
        patient: Name of its patient.
        axial: The native slice.
        image_from_canonical: ``(2, 3)``, pose and size only.
        image_from_input: ``(2, 3)``, with the crop.
    """

    case: str
    patient: str
    axial: AxialSlice
    image_from_canonical: NDArray
    image_from_input: NDArray

    @property
    def scale(self) -> float:
        """Factor from canonical to image: below 1 the patient is enlarged."""
        return float(np.exp(parameters(self.image_from_canonical)[0]))

    @property
    def angle_deg(self) -> float:
        """Rotation from canonical to image, in the picture clockwise."""
        return float(np.degrees(parameters(self.image_from_canonical)[1]))


def normalising_experiment(config: Config) -> str:
    """The selected experiment that shows most: learned, at the largest matrix."""

    def key(experiment: Experiment) -> tuple[int, bool, int, float]:
        method = config.methods[experiment.method]
        learned = (method.normaliser == "stn") + (method.crop == "stn")
        size = config.matrices[experiment.matrix].size
        return learned, method.crop != "none", size, method.network_input

    rows = selected_experiments(config)
    shown = [row for row in rows if normalises(config.methods[row.method])]
    return max(shown, key=key).name


def held_out_transforms(summary: Summary, experiment: str) -> pd.DataFrame:
    """Transforms of all held-out cases, first seed."""
    seed = summary.config.run.seeds[0]
    runs = [
        summary.layout.run(experiment, seed, fold) for fold in summary.config.run.folds
    ]
    return pd.concat([read_transforms(run / "transforms.csv") for run in runs])


def one_case_per_patient(summary: Summary, transforms: pd.DataFrame) -> pd.DataFrame:
    """Rows of cases.csv: the first held-out case of each patient."""
    cohort = summary.cohort()
    held_out = cohort.loc[list(transforms.case.unique())]
    return held_out.sort_index().drop_duplicates("patient")


def normalised_slice(
    summary: Summary, row: pd.Series, transforms: pd.DataFrame, *, by: Sequence[Label]
) -> NormalisedSlice:
    """Read the largest slice of a case and the transforms of that slice."""
    axial = read_slice(summary.layout.cohort, row, by=by)
    canonical, crop = (
        case_matrices(transforms, row.case, columns)[axial.z]
        for columns in (CANONICAL_COLUMNS, INPUT_COLUMNS)
    )
    return NormalisedSlice(row.case, row.patient, axial, canonical, crop)
