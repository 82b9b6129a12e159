"""The cohort's slices on one matrix, as nnU-Net's data loaders read them."""

import shutil
from typing import Any

import numpy as np
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from tqdm import tqdm

from deeprac.config import Config
from deeprac.files import read_json, write_json
from deeprac.layout import Layout
from deeprac.preprocessing.preprocessor import preprocessor_of, save_case
from deeprac.records.cases import read_cases
from deeprac.volumes import read_volume


def preprocess_cohort(
    config: Config, matrix: str, plans: dict[str, Any], dataset: dict[str, Any]
) -> None:
    """Bring every axial slice of the cohort onto a matrix; write cases.json last.

    Args:
        config: the whole configuration.
        matrix: name of the matrix.
        plans: content of plans.json as far as all experiments at the matrix share it.
        dataset: content of dataset.json.
    """
    layout = Layout.of(config)
    manager = PlansManager(plans)
    (name,) = plans["configurations"]
    configuration = manager.get_configuration(name)
    preprocessor = preprocessor_of(configuration, config.cohort.air)
    cases = read_cases(layout.cases_csv)
    folder = layout.matrix(matrix)
    # Apart from cases.json: nnU-Net tells the storage format by the folder's suffixes.
    slices = folder / "slices"
    shutil.rmtree(slices, ignore_errors=True)
    slices.mkdir(parents=True)
    for row in tqdm(list(cases.itertuples()), desc=f"to {matrix}", unit="case"):
        image, geometry = read_volume(layout.cohort / row.image)
        labels, _ = read_volume(layout.cohort / row.label)
        data, seg, properties = preprocessor.run_case_npy(
            image[None],
            # Signed: nnU-Net marks what lies outside of its crop with -1.
            labels[None].astype(np.int8),
            {"spacing": list(geometry.GetSpacing()[::-1])},
            manager,
            configuration,
            dataset,
        )
        patch = configuration.patch_size
        save_case(slices / row.case, data, seg, properties, patch)
    checksums = zip(cases.image_sha256, cases.label_sha256, strict=True)
    write_json(
        folder / "cases.json",
        {
            "matrix": config.matrices[matrix].size,
            "fingerprint": read_json(layout.fingerprint),
            "cases": dict(zip(cases.case, map(list, checksums), strict=True)),
        },
    )
