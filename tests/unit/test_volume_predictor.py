"""Volumes end to end: a tiny cohort, trained and segmented as volumes."""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import torch

from deeprac.config import load_config
from deeprac.geometry import spatial
from deeprac.geometry.cube import Cube
from deeprac.geometry.similarity import of_rows, transform_points
from deeprac.inference.ensemble import Ensemble
from deeprac.inference.load import open_run
from deeprac.inference.slice_predictor import mirrored
from deeprac.layout import Layout
from deeprac.networks.front_end import Located
from deeprac.records.diagnostics import VOLUME_COLUMNS as DIAGNOSED
from deeprac.records.transforms import CANONICAL_COLUMNS, VOLUME_COLUMNS, matrices
from support.toy_cohort import (
    HELD_OUT,
    SHAPE,
    arrays,
    make_cohort,
    run_arguments,
    small_networks,
    verb,
)

SECTIONS = {
    "matrices": {"main": {"dimensions": 3, "size": [8, 16, 16], "batch_size": 2}},
    "experiments": [
        {"experiment": name, "matrix": "main", "method": name}
        for name in ("nnunet_augment", "stn")
    ],
    "inference": {"batch_size": 3, "mirroring": True},
}
SPACING_MM = (4.0, 0.9, 0.9)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Configuration and layout of both experiments, trained, predicted, evaluated."""
    config, path = make_cohort(tmp_path_factory.mktemp("volumes"), SECTIONS)
    for name in config.experiments:
        verb(path, "plan", "--experiment", name)
        for stage in ("train", "predict", "evaluate", "diagnose"):
            verb(path, stage, *run_arguments(name))
    return load_config([path]), Layout.of(config)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nnunet_augment", "stn"])
def test_labels_and_transforms_are_on_the_native_slices(trained, name):
    _, layout = trained
    run = layout.run(name, 0, 0)
    (case,) = HELD_OUT
    labels = sitk.ReadImage(str(run / "predictions" / f"{case}.nii.gz"))
    assert sitk.GetArrayFromImage(labels).shape == SHAPE
    assert labels.GetSpacing() == pytest.approx(SPACING_MM[::-1])
    table = pd.read_csv(run / "transforms.csv")
    assert table["slice"].tolist() == list(range(SHAPE[0]))
    volume = table[list(VOLUME_COLUMNS)].to_numpy()
    assert (volume == volume[0]).all()
    in_slices = matrices(table, CANONICAL_COLUMNS)
    expected = spatial.axial(volume[0].reshape(3, 4), Cube(SHAPE, SPACING_MM))
    np.testing.assert_allclose(in_slices, expected, atol=1e-6)
    assert table.ceiling_kidney.between(0.3, 1).all()
    metrics = pd.read_csv(run / "metrics.csv")
    assert metrics.coverage.dropna().between(0, 1).all()
    diagnostics = pd.read_csv(run / "diagnostics.csv")
    assert diagnostics.slices.tolist() == [SHAPE[0]]
    assert diagnostics[list(DIAGNOSED)].notna().all(axis=None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nnunet_augment", "stn"])
@pytest.mark.parametrize(
    ("shape", "spacing_mm"),
    [
        ((1, 28, 34), SPACING_MM),
        ((2, 28, 34), SPACING_MM),
        ((3, 28, 34), SPACING_MM),
        ((4, 28, 34), (9.0, 0.9, 0.9)),
        ((60, 28, 34), (0.9, 0.9, 0.9)),
        ((4, 6, 9), SPACING_MM),
    ],
)
def test_odd_volumes_are_segmented_on_their_own_grid(trained, name, shape, spacing_mm):
    """Few slices, ending within the only kidney, flat voxels, less than the matrix."""
    image = np.resize(arrays(0)[0], shape)
    predictor = open_run(trained[0], name, 0, 0).predictor
    found = predictor.predict(image, spacing_mm)
    assert found.labels.shape == shape
    assert set(np.unique(found.labels)) <= {0, 1, 2}
    size_and_pose = found.image_from_canonical
    assert size_and_pose.shape == (len(image), 2, 3)
    assert np.isfinite(size_and_pose).all()
    assert (np.linalg.det(size_and_pose[:, :, :2]) > 0).all()
    assert not found.fallback.any()
    ensemble = Ensemble({0: predictor}).predict(image, spacing_mm)
    assert (ensemble.labels == found.labels).all()
    assert ensemble.slices == len(image)


@pytest.mark.slow
def test_a_volume_of_air_falls_back_and_is_counted(trained):
    predictor = open_run(trained[0], "stn", 0, 0).predictor
    body = arrays(0)[0]
    assert not predictor.predict(body, SPACING_MM).fallback.any()
    found = predictor.predict(np.full_like(body, -1000), SPACING_MM)
    assert found.fallback.all()
    assert (found.image_from_canonical == np.eye(2, 3)).all()
    assert found.labels.shape == body.shape


@pytest.mark.slow
def test_a_perfect_answer_of_mirrored_volumes_is_the_mean_of_eight(trained):
    config, _ = trained
    predictor = open_run(config, "stn", 0, 0).predictor
    data = torch.randn(1, *SECTIONS["matrices"]["main"]["size"])
    located = predictor.locate(data)
    seen = []
    own = predictor.network.segment
    predictor.network.segment = lambda *args: seen.append(args[0]) or own(*args)
    predictor.segment(data[None], located)
    assert len(seen) == 8
    assert len({tensor.numpy().tobytes() for tensor in seen}) == 8


def test_convention_a_mirrored_volume_is_located_at_the_mirrored_point():
    pose = of_rows(torch.tensor([[0.1, 0.2, -0.1, 0.3, 0.1, 0.2, -0.3]]))
    never = torch.zeros(1, dtype=torch.bool)
    located = Located(pose, None, pose, never, never)
    point = torch.tensor([[[0.3, -0.2, 0.5]]])
    there = transform_points(pose, point)
    # Axis 2 of (batch, channel, z, y, x) is z, the last coordinate.
    for axes, signs in (([2], [1, 1, -1]), ([3, 4], [-1, -1, 1])):
        flip = torch.tensor(signs)
        found = mirrored(located, axes).image_from_canonical
        torch.testing.assert_close(transform_points(found, point * flip), there * flip)
