"""From a host to a cohort: fetched through the mirror, then converted."""

import gzip
import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from deeprac.cohort.build import build_cohort
from deeprac.fetch.run import fetch_cohort
from deeprac.labels import source_names
from support.cohort_builders import cohort_config, fetch_config
from support.http_server import serve
from support.public_hosts import host_kits

# The challenge's own axes: slices along the first axis, 3 mm apart; x and y of 0.8 mm.
AFFINE = np.array([[0, 0, -0.8, 7.0], [0, -0.8, 0, 11], [-3, 0, 0, 30], [0, 0, 0, 1]])


def volume(array):
    return nib.Nifti1Image(array, AFFINE).to_bytes()


def case(columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A body of 40 HU in air with a kidney; in it 4 voxels of tumour and 2 of cyst."""
    image = np.full((5, 20, columns), -1000, np.int16)
    image[:, 3:17, 3:-3] = 40
    image[1:4, 6:12, 5:11] = 180
    label = np.zeros(image.shape, np.uint8)
    label[1:4, 6:12, 5:11] = 1
    label[2, 8:10, 6:8] = 2
    label[2, 8, 9:11] = 3
    return image, label


def gzipped(array):
    return gzip.compress(volume(array), mtime=0)


def test_a_fetched_cohort_is_converted(tmp_path):
    arrays = {f"case_{n:05d}": case(columns=20 + 2 * n) for n in range(3)}
    with serve() as server:
        bodies = {c: tuple(map(gzipped, pair)) for c, pair in arrays.items()}
        host_kits(server, "kits23", bodies)
        config = cohort_config(
            format="kits",
            path=tmp_path / "kits23",
            labels=source_names("kits", {}),
            fetch=fetch_config(
                source="kits23",
                licence="CC-BY-NC-SA-4.0",
                mirror=server.url,
                cases=3,
            ),
        )
        assert fetch_cohort(config).new == 7
    table = json.dumps([{"case_id": name} for name in arrays])
    assert (tmp_path / "kits23" / "kits23.json").read_text() == "[]"
    (tmp_path / "kits23" / "kits23.json").write_text(table)
    build_cohort(config, tmp_path / "cohort", folds=2, report=lambda check: None)
    cases = pd.read_csv(tmp_path / "cohort" / "cases.csv")
    assert list(cases.case) == list(arrays)
    # 4 voxels of 0.8 x 0.8 x 3 mm
    expected = [4 * 0.8 * 0.8 * 3 / 1000] * 3
    assert cases.tumour_ml.to_list() == pytest.approx(expected, rel=1e-6)
    # 3 x 6 x 6 voxels of kidney with its lesions; cyst counts as kidney
    expected = [(108 - 4) * 0.8 * 0.8 * 3 / 1000] * 3
    assert cases.kidney_ml.to_list() == pytest.approx(expected, rel=1e-6)
