"""Methods and matrices that do not go together."""

from collections.abc import Hashable, Iterable, Iterator, Mapping

from deeprac.fitting import SPACE, fits, nearest_fit, why_not
from deeprac.front_ends import SPATIAL_CROPS, SPATIAL_NORMALISERS, has_oracle
from deeprac.settings.methods import (
    PLANNED,
    SVF,
    Experiment,
    MatrixConfig,
    Method,
)
from deeprac.settings.reports import StressConfig
from deeprac.settings.training import NetworkConfig

FLATTEST = 3
"""How many times as long as its depth a matrix of volumes may be: beyond that nnU-Net's
augmentation turns slices alone."""


def misfits(
    experiments: Iterable[Experiment],
    matrices: Mapping[str, MatrixConfig],
    methods: Mapping[str, Method],
    network: NetworkConfig,
) -> list[str]:
    """Say which experiments' methods or network inputs their matrices do not allow."""
    errors: dict[Hashable, str] = {}
    for row in experiments:
        matrix, method = matrices.get(row.matrix), methods.get(row.method)
        if matrix is None or method is None:
            continue
        if (method.other_share or method.pretrain) and matrix.size == PLANNED:
            errors |= _of_two_plans(row)
        elif matrix.size == PLANNED:
            errors |= _of_plan(row, matrix, method)
        elif matrix.dimensions == SPACE:
            errors |= _of_volumes(row, matrix, method, network.min_feature_map)
        else:
            errors |= _of_slices(row, matrix, method, network.min_feature_map)
    return list(errors.values())


def _of_plan(
    row: Experiment, matrix: MatrixConfig, method: Method
) -> dict[Hashable, str]:
    if not method.has_front_end and method.augment != SVF:
        return {}
    cut = "volumes" if matrix.dimensions == SPACE else "slices"
    return {
        row.name: (
            f"experiments.{row.name}: matrix {row.matrix} is planned by "
            f"nnU-Net, which cuts {cut} into patches, but method "
            f"{row.method} needs whole {cut}. Use a method without "
            f"normaliser, crop and augment {SVF}, or a matrix with a size"
        )
    }


def _of_two_plans(row: Experiment) -> dict[Hashable, str]:
    return {
        row.name: (
            f"experiments.{row.name}: matrix {row.matrix} is planned by nnU-Net, for "
            f"each cohort by its own spacings, but method {row.method} takes slices or "
            "weights from another cohort. Use a method without other_share and "
            "pretrain, or a matrix with a size"
        )
    }


def _of_slices(
    row: Experiment, matrix: MatrixConfig, method: Method, smallest: int
) -> dict[Hashable, str]:
    sizes = {share: matrix.sides[0] * share for share in method.input_shares}
    return {
        (row.matrix, share): (
            f"matrices.{row.matrix}.size is {matrix.size}: experiment "
            f"{row.name} gives its U-Net a side of {size:g} pixels "
            f"(network_input {method.network_input:g}), which "
            f"{why_not(size, smallest)}. Use "
            f"{nearest_fit(size, smallest)} pixels"
        )
        for share, size in sizes.items()
        if not fits(size, smallest)
    }


def _of_volumes(
    row: Experiment, matrix: MatrixConfig, method: Method, smallest: int
) -> dict[Hashable, str]:
    unknown = list(_unknown_in_space(method))
    if unknown:
        return {
            row.name: (
                f"experiments.{row.name}: matrix {row.matrix} has dimensions 3, where "
                f"there is no {', '.join(unknown)} yet, which method {row.method} asks "
                f"for. Use a normaliser of {', '.join(sorted(SPATIAL_NORMALISERS))} "
                f"and a crop of {', '.join(sorted(SPATIAL_CROPS))} without fields, or "
                "a matrix of slices"
            )
        }
    if max(matrix.sides) > FLATTEST * matrix.sides[0]:
        return {
            row.matrix: (
                f"matrices.{row.matrix}.size is {list(matrix.sides)}: the depth, its "
                "first number, must be at least a third of the others. Raise it"
            )
        }
    sizes = [side * method.network_input for side in matrix.sides]
    return {
        (row.matrix, size): (
            f"matrices.{row.matrix}.size is {list(matrix.sides)}: experiment "
            f"{row.name} gives its U-Net a side of {size:g} voxels (network_input "
            f"{method.network_input:g}), which {why_not(size, smallest)}. Use "
            f"{nearest_fit(size, smallest)}"
        )
        for size in sizes
        if not fits(size, smallest)
    }


def stressed_misfits(
    stress: StressConfig,
    experiments: Mapping[str, Experiment],
    matrices: Mapping[str, MatrixConfig],
    methods: Mapping[str, Method],
) -> list[str]:
    """Say which stress of volumes an experiment that is told the pose cannot follow."""
    moved = [key for key in ("angles_deg", "scales", "shifts") if getattr(stress, key)]
    told = [
        name
        for name in stress.experiments
        if (row := experiments.get(name))
        and row.matrix in matrices
        and matrices[row.matrix].dimensions == SPACE
        and row.method in methods
        and has_oracle(methods[row.method].normaliser, methods[row.method].crop)
    ]
    if not (moved and told):
        return []
    return [
        f"stress.experiments: {', '.join(told)} is told the pose of volumes, which "
        f"{', '.join(f'stress.{key}' for key in moved)} would change in slices alone. "
        "Set these to [], or leave it out"
    ]


def _unknown_in_space(method: Method) -> Iterator[str]:
    if method.normaliser not in SPATIAL_NORMALISERS:
        yield f"normaliser {method.normaliser}"
    if method.crop not in SPATIAL_CROPS:
        yield f"crop {method.crop}"
    if method.augment == SVF:
        yield f"augment {SVF}"
