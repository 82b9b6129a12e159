"""Small cohorts on disk and in memory for the tests of ``deeprac.cohort``."""

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from deeprac.cohort.inspection import Inspection
from deeprac.labels import source_names
from deeprac.settings.cohort import (
    CohortConfig,
    DicomConfig,
    FetchConfig,
    KitsConfig,
    PhantomConfig,
)

SPACING_MM = (0.8, 0.8, 3.0)


def cohort_config(**changes) -> CohortConfig:
    settings = {
        "name": "test",
        "format": "phantom",
        "path": None,
        "patients": None,
        "label_numbers": None,
        "labels": source_names("nnunet_raw", {}),
        "pseudonyms": False,
        "private": Path("private"),
        "intensity": "hu",
        "air": -1000.0,
        "kits": KitsConfig(annotation="majority"),
        "dicom": dicom_section(),
        "phantom": phantom_config(),
        "fetch": fetch_config(),
    }
    return CohortConfig(**(settings | changes))


def dicom_section(**changes) -> DicomConfig:
    settings = {
        "slice_spacing_mm": (0.3, 8.0),
        "prefer": "thinnest",
        "description": None,
        "segmentations": "one",
    }
    return DicomConfig(**(settings | changes))


def phantom_config(**changes) -> PhantomConfig:
    settings = {
        "cases": 4,
        "test_cases": 0,
        "matrix": 64,
        "slice_spacing_mm": (10.0, 12.0),
        "bilateral_share": 0.1,
        "seed": 5,
        "arms": "up",
        "cushion": False,
        "stage": "mixed",
        "ages": None,
        "truncation": 0.0,
    }
    return PhantomConfig(**(settings | changes))


def fetch_config(**changes) -> FetchConfig:
    settings = {
        "source": "none",
        "licence": None,
        "mirror": None,
        "parallel": 4,
        "cases": None,
    }
    return FetchConfig(**(settings | changes))


def volume(array: np.ndarray, spacing_mm=SPACING_MM) -> sitk.Image:
    """A SimpleITK volume of an array [z, y, x] with an origin off zero."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing_mm)
    image.SetOrigin((-7.0, 11.0, 30.0))
    return image


def ct_arrays(shape=(5, 9, 12)) -> tuple[np.ndarray, np.ndarray]:
    """CT [z, y, x] with air, soft tissue and contrast; kidney and tumour off centre."""
    image = np.full(shape, -1000, np.int16)
    label = np.zeros(shape, np.uint8)
    image[:, 1:8, 2:11] = 40
    image[1:4, 4:6, 7:10] = 180
    label[1:4, 4:6, 7:10] = 1
    label[2, 4:6, 9] = 2
    return image, label


def write_raw(folder: Path, cases: dict[str, tuple], *, labels=None) -> CohortConfig:
    """Write an nnU-Net raw folder of (image, label) volumes; returns its config."""
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "labelsTr").mkdir()
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": labels or {"background": 0, "kidney": 1, "tumour": 2},
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(dataset))
    for name, (image, label) in cases.items():
        if image is not None:
            sitk.WriteImage(image, str(folder / f"imagesTr/{name}_0000.nii.gz"))
        if label is not None:
            sitk.WriteImage(label, str(folder / f"labelsTr/{name}.nii.gz"))
    return cohort_config(format="nnunet_raw", path=folder)


def inspection(name: str = "a", **changes) -> Inspection:
    """A case in numbers; every case is of another patient and has another image."""
    numbers = {
        "case": name,
        "patient": f"patient of {name}",
        **{"size_x": 12, "size_y": 9, "size_z": 5},
        **{"spacing_x_mm": 0.8, "spacing_y_mm": 0.8, "spacing_z_mm": 3.0},
        "orientation": "LPS",
        "age_years": 4.5,
        "side": "left",
        **{"kidney_ml": 110.0, "tumour_ml": 40.0, "cyst_ml": 0.0},
        **{"intensity_p1": -1000.0, "intensity_p50": 20.0, "intensity_p99": 300.0},
        "kidney_median": 150.0,
        "voxels_sha256": f"hash of {name}",
    }
    return Inspection(**(numbers | changes))


def ct_like(
    seed: int, *, contrast_hu: int = 60, fat_px: int = 5, noise_hu: float = 12
) -> np.ndarray:
    """Noisy CT [z, y, x] of a trunk in air: fat, muscle, a bright organ and spine.

    4 slices of 48 x 64 voxels, int16 from -1024 on, as scanners clip them.
    """
    shape = (4, 48, 64)
    _, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]

    def ellipse(centre_y: float, centre_x: float, half_y: float, half_x: float):
        inside = ((y - centre_y) / half_y) ** 2 + ((x - centre_x) / half_x) ** 2 < 1
        return np.broadcast_to(inside, shape)

    mean = np.full(shape, -1000.0)
    mean[ellipse(24, 30, 20, 27)] = -100
    mean[ellipse(24, 30, 20 - fat_px, 27 - fat_px)] = 55
    mean[ellipse(22, 20, 6, 7)] = 55 + contrast_hu
    mean[ellipse(33, 30, 3, 4)] = 600
    # Edges blur in the scanner, so that every value between two tissues occurs.
    mean = ndimage.gaussian_filter(mean, (0, 0.8, 0.8))
    noise = np.random.default_rng(seed).normal(0, noise_hu, shape)
    return np.rint(mean + noise).clip(-1024, 3071).astype(np.int16)
