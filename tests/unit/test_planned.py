import json

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.experiment_planning.experiment_planners import (
    default_experiment_planner as nnunet,
)

from deeprac.errors import PreprocessError
from deeprac.files import read_json, write_json
from deeprac.labels import KIDNEY_AND_TUMOUR
from deeprac.preprocessing.matrices import CONFIGURATIONS
from deeprac.preprocessing.planned import FingerprintPlanner, planned_configuration
from support.fingerprints import fingerprint

ABDOMEN = fingerprint(
    ((5.0, 0.7, 0.7), (60, 400, 512)),
    ((2.0, 0.8, 0.8), (150, 420, 512)),
    ((5.0, 0.9, 0.9), (48, 380, 500)),
    ((3.0, 0.6, 0.6), (90, 512, 512)),
)
SLICES = fingerprint(
    ((1.0, 0.7, 0.7), (1, 800, 1024)),
    ((1.0, 0.5, 0.5), (1, 900, 1300)),
    ((1.0, 0.6, 0.8), (1, 700, 900)),
)
"""Single large slices: nnU-Net must shrink its patch to its memory, and plans no 3D."""
MIDDLING = fingerprint(((3.0, 1.0, 1.0), (120, 300, 300)))
"""nnU-Net tries a low resolution, which is hardly lower, and drops it."""
LARGE = fingerprint(((1.0, 1.0, 1.0), (300, 300, 300)))
CASCADE = {"2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres"}
FLAT = fingerprint(((10.0, 1.0, 1.0), (3, 96, 128)), ((10.0, 1.0, 1.0), (3, 80, 128)))
"""Three slices, voxels ten times as long as wide."""
SMALL = fingerprint(
    ((4.0, 0.9, 0.9), (4, 28, 34)), ((6.0, 0.9, 0.9), (5, 28, 34)), share=0.5
)


@pytest.fixture
def original(tmp_path, monkeypatch):
    """nnU-Net's own planner on a raw dataset with a given fingerprint."""
    raw, preprocessed = tmp_path / "raw", tmp_path / "preprocessed"
    monkeypatch.setattr(nnunet, "nnUNet_raw", str(raw))
    monkeypatch.setattr(nnunet, "nnUNet_preprocessed", str(preprocessed))
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")

    def planner(content):
        name = "Dataset001_Toy"
        dataset = {
            "channel_names": {"0": "CT"},
            "labels": KIDNEY_AND_TUMOUR.numbers,
            "numTraining": len(content["spacings"]),
            "file_ending": ".nii.gz",
        }
        write_json(raw / name / "dataset.json", dataset)
        for folder, file in (("imagesTr", "a_0000"), ("labelsTr", "a")):
            path = raw / name / folder / f"{file}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            sitk.WriteImage(sitk.Image(4, 4, 2, sitk.sitkUInt8), str(path))
        write_json(preprocessed / name / "dataset_fingerprint.json", content)
        return nnunet.ExperimentPlanner(name, suppress_transpose=True)

    return planner


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (SLICES, {"2d"}),
        (SMALL, {"2d", "3d_fullres"}),
        (FLAT, {"2d", "3d_fullres"}),
        pytest.param(MIDDLING, {"2d", "3d_fullres"}, marks=pytest.mark.slow),
        pytest.param(LARGE, CASCADE, marks=pytest.mark.slow),
    ],
)
def test_the_plan_is_nnunets_own(original, content, names):
    """`plan_experiment` of the unchanged planner writes the same configurations."""
    planner = original(content)
    planner.plan_experiment()
    written = read_json(
        f"{nnunet.nnUNet_preprocessed}/{planner.dataset_name}/nnUNetPlans.json"
    )["configurations"]
    assert set(written) == names
    for dimensions, name in CONFIGURATIONS.items():
        if name in names:
            ours = planned_configuration(
                content, KIDNEY_AND_TUMOUR, dimensions=dimensions
            )
            assert ours == written[name]


def test_the_planner_has_nnunets_settings(original):
    files = {"dataset_name", "raw_dataset_folder", "dataset", "dataset_json"}
    theirs, ours = (
        vars(original(ABDOMEN)),
        vars(FingerprintPlanner(ABDOMEN, KIDNEY_AND_TUMOUR)),
    )
    assert set(ours) == set(theirs) - files | {"dataset_json"}
    for key in set(ours) - files:
        assert ours[key] == theirs[key], key


def test_spacing_is_the_median_and_the_patch_covers_the_median_slice():
    plan = planned_configuration(ABDOMEN, KIDNEY_AND_TUMOUR)
    assert plan["spacing"] == pytest.approx([0.75, 0.75])
    # Rows at 0.75 mm: 373, 448, 456 and 410, so 429 in the median; columns 478, 546,
    # 600 and 410, so 512. Six halvings leave 4 pixels or more: multiples of 64.
    assert plan["median_image_size_in_voxels"] == [429, 512]
    assert plan["patch_size"] == [448, 512]
    assert plan["architecture"]["arch_kwargs"]["n_stages"] == 7
    assert plan["preprocessor_name"] == "DefaultPreprocessor"
    assert plan["normalization_schemes"] == ["CTNormalization"]
    assert plan["use_mask_for_norm"] == [False]


def test_coarser_rows_are_halved_less_often():
    """Pixels of 3 x 0.8 mm: columns are halved first, until pixels are square."""
    thick = fingerprint(((5.0, 3.0, 0.8), (20, 60, 256)))
    plan = planned_configuration(thick, KIDNEY_AND_TUMOUR)
    strides = plan["architecture"]["arch_kwargs"]["strides"]
    assert plan["spacing"] == [3.0, 0.8]
    assert strides[:3] == [[1, 1], [1, 2], [2, 2]]
    halvings = np.prod(strides, axis=0)
    assert halvings[1] > halvings[0]
    assert (np.array(plan["patch_size"]) % halvings == 0).all()


def test_slices_stay_axial_when_they_are_the_thinnest_axis():
    thin = fingerprint(((0.5, 0.7, 0.8), (300, 64, 96)))
    plan = planned_configuration(thin, KIDNEY_AND_TUMOUR)
    assert plan["spacing"] == [0.7, 0.8]
    assert plan["median_image_size_in_voxels"] == [64, 96]


def test_the_plan_is_deterministic_and_json(capsys):
    before = json.dumps(ABDOMEN)
    plan = planned_configuration(ABDOMEN, KIDNEY_AND_TUMOUR)
    assert (
        plan
        == planned_configuration(json.loads(before), KIDNEY_AND_TUMOUR)
        == json.loads(json.dumps(plan))
    )
    assert json.dumps(ABDOMEN) == before


@pytest.mark.parametrize("key", ["spacings", "shapes_after_crop"])
def test_a_fingerprint_without_sizes_says_what_to_do(key):
    old = {name: value for name, value in SMALL.items() if name != key}
    with pytest.raises(PreprocessError, match=rf"lacks {key}. Run `deeprac fingerpr"):
        planned_configuration(old, KIDNEY_AND_TUMOUR)


def test_flat_voxels_are_pooled_in_plane_alone():
    plan = planned_configuration(FLAT, KIDNEY_AND_TUMOUR, dimensions=3)
    assert plan["spacing"] == [10, 1, 1]
    assert plan["patch_size"] == [3, 96, 128]
    depths = [stride[0] for stride in plan["architecture"]["arch_kwargs"]["strides"]]
    assert set(depths) == {1}


def test_single_slices_are_no_volumes():
    with pytest.raises(PreprocessError, match=r"several slices.*dimensions 2"):
        planned_configuration(SLICES, KIDNEY_AND_TUMOUR, dimensions=3)


def test_slices_that_cannot_be_halved_are_refused():
    tiny = fingerprint(((4.0, 0.9, 0.9), (4, 7, 6)))
    with pytest.raises(PreprocessError, match=r"planned patch is \[7, 6\] pixels"):
        planned_configuration(tiny, KIDNEY_AND_TUMOUR)
