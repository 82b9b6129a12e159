import pytest
from test_planned import SMALL

from deeprac.errors import PreprocessError
from deeprac.labels import KIDNEY_AND_TUMOUR
from deeprac.preprocessing.matrices import OWN_PLAN, WHOLE_SLICES, matrix_kind
from deeprac.settings.methods import MatrixConfig
from deeprac.settings.training import NetworkConfig

NETWORK = NetworkConfig(
    base_features=6, max_features=20, convs_per_stage=3, min_feature_map=8
)


def test_whole_slices():
    kind = matrix_kind(
        MatrixConfig(size=64, batch_size=2, dimensions=2), {}, KIDNEY_AND_TUMOUR
    )
    assert kind.configuration["preprocessor_name"] == WHOLE_SLICES
    assert kind.configuration["patch_size"] == [64, 64]
    assert (kind.input_size(), kind.input_size((0.5, 0.5))) == (64, 32)
    # 64, 32, 16 and 8 pixels; 32, 16 and 8 pixels.
    assert kind.unet((1, 1), NETWORK)["n_stages"] == 4
    assert kind.unet((0.5, 0.5), NETWORK)["n_stages"] == 3


def test_a_rectangle_is_halved_side_by_side():
    kind = matrix_kind(
        MatrixConfig(size=64, batch_size=2, dimensions=2), {}, KIDNEY_AND_TUMOUR
    )
    shares = (0.25, 0.75)
    assert kind.input_size(shares) == [16, 48]
    # 16 and 8 high, 48, 24 and 12 wide.
    assert kind.unet(shares, NETWORK)["strides"] == [[1, 1], [2, 2], [1, 2]]


def test_a_part_of_a_volume_has_its_shape_and_its_voxels():
    matrix = MatrixConfig(size=(32, 64, 64), batch_size=2, dimensions=3)
    kind = matrix_kind(matrix, {}, KIDNEY_AND_TUMOUR)
    assert kind.input_size() == [32, 64, 64]
    assert kind.input_size((0.5, 0.5)) == [16, 32, 32]
    # Voxels are twice as high as wide: the plane is halved first.
    assert kind.unet((0.5, 0.5), NETWORK)["strides"] == [
        [1, 1, 1],
        [1, 2, 2],
        [2, 2, 2],
    ]


def test_planned_patches_pool_as_nnunet_and_are_as_wide_as_configured():
    kind = matrix_kind(
        MatrixConfig(size="planned", batch_size=2, dimensions=2),
        SMALL,
        KIDNEY_AND_TUMOUR,
    )
    assert kind.configuration["preprocessor_name"] == OWN_PLAN
    assert kind.configuration["patch_size"] == kind.input_size() == [28, 36]
    decided = {"batch_size", "data_identifier", "architecture"}
    assert not decided & set(kind.configuration)
    kwargs = kind.unet((1, 1), NETWORK)
    # min_feature_map is nnU-Net's 4: 28 x 36, 14 x 18, 7 x 9.
    assert kwargs["strides"] == [[1, 1], [2, 2], [2, 2]]
    assert kwargs["features_per_stage"] == [6, 12, 20]
    assert kwargs["n_conv_per_stage"] == [3, 3, 3]
    assert kwargs["n_conv_per_stage_decoder"] == [3, 3]


def test_planned_patches_of_volumes_are_those_of_full_resolution():
    matrix = MatrixConfig(size="planned", batch_size=2, dimensions=3)
    kind = matrix_kind(matrix, SMALL, KIDNEY_AND_TUMOUR)
    assert kind.name == "3d_fullres"
    assert kind.configuration["preprocessor_name"] == OWN_PLAN
    # 10 % of slices are closer than 4.2 mm: 4 of 4 mm are 4, 5 of 6 mm are 7.
    assert kind.configuration["patch_size"] == kind.input_size() == [6, 28, 36]
    kwargs = kind.unet((1, 1), NETWORK)
    assert kwargs["strides"] == [[1, 1, 1], [1, 2, 2], [1, 2, 2]]
    assert kwargs["conv_op"].endswith("Conv3d")


def test_a_planned_matrix_needs_the_cohorts_sizes():
    kind = matrix_kind(
        MatrixConfig(size="planned", batch_size=2, dimensions=2), {}, KIDNEY_AND_TUMOUR
    )
    with pytest.raises(PreprocessError, match="--forcerun fingerprint"):
        kind.input_size()
