import numpy as np
import pytest
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from test_plans import FINGERPRINT

from deeprac.config import load_config
from deeprac.labels import KIDNEY_AND_TUMOUR
from deeprac.preprocessing.matrices import CONFIGURATION
from deeprac.preprocessing.preprocessor import MatrixPreprocessor, save_case
from deeprac.training.plans import preprocessing_plans
from support.toy_cohort import write_config

AIR = -1000.0


@pytest.fixture
def preprocess(tmp_path):
    """Preprocess (slices, height, width) arrays onto the toy matrix of 32 pixels."""
    config = load_config([write_config(tmp_path)])
    manager = PlansManager(preprocessing_plans(config, "fine", FINGERPRINT))

    def run(image, labels=None):
        return MatrixPreprocessor(AIR).run_case_npy(
            image[None],
            None if labels is None else labels[None],
            {"spacing": [4.0, 0.9, 0.9]},
            manager,
            manager.get_configuration(CONFIGURATION),
            {"labels": KIDNEY_AND_TUMOUR.numbers},
        )

    return run


def case():
    image = np.full((3, 20, 32), 100, np.int16)
    image[:, :, 16:] = 150
    image[0, 5, 5] = 3000
    labels = np.zeros((3, 20, 32), np.uint8)
    labels[1, 4:9, 20:27] = 1
    labels[2, 4:6, 20:22] = 2
    return image, labels


def test_intensities_are_clipped_and_standardised(preprocess):
    data, _, _ = preprocess(case()[0])
    assert data.shape == (1, 3, 32, 32)
    assert data.dtype == np.float32
    # (20 rows are padded to 32 with 6 before.) Mean 100, SD 50, clipped at 300.
    assert data[0, 1, 6 + 10, 10] == 0.0
    assert data[0, 1, 6 + 10, 20] == 1.0
    assert data[0, 0, 6 + 5, 5] == pytest.approx(4.0)


def test_padding_has_the_normalised_value_of_air(preprocess):
    data, _, _ = preprocess(case()[0])
    assert (data[0, :, :6] == -3.0).all()
    assert (data[0, :, 26:] == -3.0).all()


def test_slices_with_background_0_are_not_cropped(preprocess):
    image = np.zeros((2, 32, 32), np.int16)
    image[:, 10:14, 20:24] = 200
    data, _, _ = preprocess(image)
    assert (data[0, :, 10:14, 20:24] == 2.0).all()
    assert (data[0, :, :10] == -2.0).all()


def test_labels_stay_on_the_grid_of_the_image(preprocess):
    image, labels = case()
    _, on_matrix, _ = preprocess(image, labels)
    assert on_matrix.shape == (1, 3, 32, 32)
    assert np.array_equal(on_matrix[0, :, 6:26], labels)


def test_foreground_locations_choose_a_slice_and_shift_nothing(preprocess):
    """nnU-Net centres patches on them (channel, z, y, x); ours are whole slices."""
    image, labels = case()
    labels[1, 4:9, 20:27] = 0
    labels[0, 1, 1] = 1
    _, _, properties = preprocess(image, labels)
    locations = properties["class_locations"]
    assert {tuple(pixel) for pixel in locations[1]} == {(0, 0, 16, 16)}
    assert {tuple(pixel) for pixel in locations[2]} == {(0, 2, 16, 16)}
    assert len(locations[2]) == 4


def test_arguments_are_not_changed(preprocess):
    image, labels = case()
    before = image.copy(), labels.copy()
    preprocess(image, labels)
    assert np.array_equal(image, before[0])
    assert np.array_equal(labels, before[1])


def test_a_saved_case_is_read_back_by_nnunet(preprocess, tmp_path):
    data, labels, properties = preprocess(*case())
    folder = tmp_path / "slices"
    folder.mkdir()
    save_case(folder / "a.1", data, labels, properties, (32, 32))
    dataset = nnUNetDatasetBlosc2(str(folder))
    assert list(dataset.identifiers) == ["a.1"]
    read, seg, _, stored = dataset.load_case("a.1")
    assert np.array_equal(read[:], data)
    assert np.array_equal(seg[:], labels)
    assert set(stored["class_locations"]) == {1, 2}
