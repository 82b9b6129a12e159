"""Folders of small label masks without images, as KiTS and others lay them out."""

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SPACING_MM = (2.0, 2.0, 5.0)


def two_kidneys(shift: int = 0) -> np.ndarray:
    """Right kidney, left kidney with a tumour: 4 slices of 30 x 48 pixels."""
    numbers = np.zeros((4, 30, 48), np.uint8)
    numbers[:, 10:18, 5 + shift : 11 + shift] = 1
    numbers[:, 9:16, 34:40] = 1
    numbers[:, 5:20, 40:45] = 2
    return numbers


def write_mask(path: Path, numbers: np.ndarray) -> Path:
    """Write a label map as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    label = sitk.GetImageFromArray(numbers)
    label.SetSpacing(SPACING_MM)
    sitk.WriteImage(label, str(path))
    return path


def kits_folder(root: Path, cases: int = 3) -> Path:
    """A folder of KiTS23: cases that differ, the last one fused."""
    for index in range(cases):
        numbers = two_kidneys(index)
        if index == cases - 1:
            numbers[:, 12:15, 11:40] = 3  # a cyst, which counts as kidney
        name = f"case_{index:05}/segmentation.nii.gz"
        write_mask(root / name, numbers)
    (root / "kits23.json").write_text("[]")
    return root


def annotators_folder(root: Path, case: str = "case_00000") -> Path:
    """What two annotators drew of one case: the second a kidney one column wider."""
    for annotator in (1, 2):
        numbers = two_kidneys()
        wider = numbers[:, 10:18, 11:12]
        wider[...] = annotator - 1
        drawn = {"kidney": numbers == 1, "tumor": numbers == 2}
        for name, mask in drawn.items():
            file = f"{name}_instance-1_annotation-{annotator}.nii.gz"
            write_mask(root / case / file, mask.astype(np.uint8))
    return root


def flat_folder(root: Path) -> Path:
    """Label maps by themselves, with a dataset.json that keeps the sides."""
    numbers = two_kidneys()
    sides = np.where((numbers == 1) & (np.arange(48) < 24), 3, numbers).astype(np.uint8)
    write_mask(root / "patient_7.nii.gz", sides)
    labels = {"background": 0, "kidney_left": 1, "tumour": 2, "kidney_right": 3}
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    return root
