"""The cohort's slices on one matrix, as nnU-Net's data loaders read them."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nnunetv2.preprocessing.preprocessors.default_preprocessor import (
    DefaultPreprocessor,
)
from nnunetv2.utilities.plans_handling.plans_handler import (
    ConfigurationManager,
    PlansManager,
)
from tqdm import tqdm

from deeprac.cohort.passes import Sidecars, json_sha256
from deeprac.config import Config
from deeprac.files import read_json, write_json
from deeprac.layout import ENDINGS, Layout
from deeprac.lease import held
from deeprac.preprocessing.preprocessor import preprocessor_of, save_case
from deeprac.records.case_split import CV, of_split
from deeprac.records.cases import read_cases
from deeprac.volumes import read_volume

VERSION = 1
"""Raised whenever the same case would give other slices."""


@dataclass(frozen=True)
class Slices:
    """The slices of a cohort on one matrix, in the making.

    Attributes:
        cohort: folder of the canonical cohort.
        folder: where nnU-Net's loaders find the slices.
        done: what says that a case is finished, written after its slices.
    """

    cohort: Path
    folder: Path
    done: Sidecars
    preprocessor: DefaultPreprocessor
    plans: PlansManager
    configuration: ConfigurationManager
    dataset: dict[str, Any]

    def unfinished(self, cases: pd.DataFrame) -> list[Any]:
        """Rows of the cases whose slices are missing or of other settings."""
        rows = list(cases.itertuples())
        return [row for row in rows if not self.done.read(row.case, _settings(row))]

    def remove_all_but(self, cases: Iterable[str]) -> None:
        """Delete what there is of other cases: nnU-Net lists cases by their files."""
        kept = {f"{case}{ending}" for case in cases for ending in ENDINGS}
        for path in self.folder.iterdir():
            if path.name not in kept:
                path.unlink()

    def make(self, row: Any) -> None:
        """Bring a case of ``cases.csv`` onto the matrix."""
        image, geometry = read_volume(self.cohort / row.image)
        labels, _ = read_volume(self.cohort / row.label)
        data, seg, properties = self.preprocessor.run_case_npy(
            image[None],
            # Signed: nnU-Net marks what lies outside of its crop with -1.
            labels[None].astype(np.int8),
            {"spacing": list(geometry.GetSpacing()[::-1])},
            self.plans,
            self.configuration,
            self.dataset,
        )
        patch = self.configuration.patch_size
        save_case(self.folder / row.case, data, seg, properties, patch)
        self.done.write(row.case, _settings(row), {})


def preprocess_cohort(
    config: Config,
    matrix: str,
    plans: dict[str, Any],
    dataset: dict[str, Any],
    *,
    workers: int = 1,
) -> None:
    """Bring every axial slice of the folds onto a matrix; write cases.json last.

    Cases that an interrupted pass finished are kept.

    Args:
        config: the whole configuration.
        matrix: name of the matrix.
        plans: content of plans.json as far as all experiments at the matrix share it.
        dataset: content of dataset.json.
        workers: cases that are worked on at the same time.

    Raises:
        RunError: another process preprocesses the matrix.
        CohortError: a volume cannot be read.
    """
    layout = Layout.of(config)
    cases = of_split(read_cases(layout.cases_csv), CV)
    folder = layout.matrix(matrix)
    ((name, configuration),) = plans["configurations"].items()
    settings = (VERSION, config.cohort.air, dataset["labels"], configuration)
    intensities = plans["foreground_intensity_properties_per_channel"]
    manager = PlansManager(plans)
    slices = Slices(
        cohort=layout.cohort,
        folder=layout.slices(matrix),
        done=Sidecars(folder, (*settings, intensities)),
        preprocessor=preprocessor_of(
            manager.get_configuration(name), config.cohort.air
        ),
        plans=manager,
        configuration=manager.get_configuration(name),
        dataset=dataset,
    )
    with held(folder / "preprocess.lease", f"Preprocessing of {matrix}"):
        slices.folder.mkdir(parents=True, exist_ok=True)
        todo = slices.unfinished(cases)
        slices.remove_all_but(set(cases.case) - {row.case for row in todo})
        _make_all(slices, todo, workers, f"to {matrix}")
        checksums = zip(cases.image_sha256, cases.label_sha256, strict=True)
        write_json(
            folder / "cases.json",
            {
                "matrix": config.matrices[matrix].size,
                "fingerprint": read_json(layout.fingerprint),
                "cases": dict(zip(cases.case, map(list, checksums), strict=True)),
            },
        )


def _make_all(slices: Slices, todo: list[Any], workers: int, title: str) -> None:
    # Threads: reading, resampling and packing leave Python free for each other.
    with ThreadPoolExecutor(workers) as pool:
        making = [pool.submit(slices.make, row) for row in todo]
        try:
            for made in tqdm(
                as_completed(making), total=len(todo), desc=title, unit="case"
            ):
                made.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # finished cases are kept
            raise


def _settings(row: Any) -> str:
    """What the slices of a case depend on beside those of all."""
    return json_sha256([row.image_sha256, row.label_sha256])
