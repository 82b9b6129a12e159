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
from deeprac.reporting.figures.sources import Sources
from deeprac.reporting.roles import normalises
from deeprac.reporting.slices import AxialSlice, read_slice

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

    def key(name: str) -> tuple[int, bool, int, float]:
        experiment = config.experiments[name]
        method = config.methods[experiment.method]
        learned = (method.normaliser == "stn") + (method.crop == "stn")
        size = config.matrices[experiment.matrix].size
        return learned, method.crop != "none", size, method.network_input

    names = [
        name
        for name in config.run.experiments
        if normalises(config.methods[config.experiments[name].method])
    ]
    return max(names, key=key)


def held_out_transforms(sources: Sources, experiment: str) -> pd.DataFrame:
    """Transforms of all held-out cases, first seed."""
    seed = sources.config.run.seeds[0]
    return pd.concat(
        [
            read_transforms(
                sources.layout.run(experiment, seed, fold) / "transforms.csv"
            )
            for fold in sources.config.run.folds
        ]
    )


def one_case_per_patient(sources: Sources, transforms: pd.DataFrame) -> pd.DataFrame:
    """Rows of cases.csv: the first held-out case of each patient."""
    cohort = sources.cohort()
    held_out = cohort.loc[list(transforms.case.unique())]
    return held_out.sort_index().drop_duplicates("patient")


def normalised_slice(
    sources: Sources, row: pd.Series, transforms: pd.DataFrame, *, by: Sequence[Label]
) -> NormalisedSlice:
    """Read the largest slice of a case and the transforms of that slice."""
    axial = read_slice(sources.layout.cohort, row, by=by)
    return NormalisedSlice(
        case=row.case,
        patient=row.patient,
        axial=axial,
        image_from_canonical=case_matrices(transforms, row.case, CANONICAL_COLUMNS)[
            axial.z
        ],
        image_from_input=case_matrices(transforms, row.case, INPUT_COLUMNS)[axial.z],
    )
