"""How far size and pose spread in real CT and in phantoms, by the same silhouettes.

    PYTHONPATH=src python benchmarks/pose_spread.py --slices SLICES --leave-out NAME ...

SLICES is a folder in nnU-Net's raw layout with a table patients.csv of case and
patient; what is left out are children. Phantoms are drawn for it, children and adults.
Written are quantiles over patients, of no patient alone, to docs/data/pose_spread.csv,
from which docs/calibration.py makes a table; in two minutes on one core.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from deeprac.cohort.phantom import PhantomSource
from deeprac.cohort.phantom.torso import reference_radius_mm
from deeprac.config import load_config
from deeprac.geometry.moments import moments, silhouette
from deeprac.preprocessing.matrix import image_to_matrix

DATA = Path(__file__).parents[1] / "docs" / "data" / "pose_spread.csv"
SIZE = 128
"""Side of the thumbnails, as for the pose of a case."""
PHANTOMS = 100
QUANTILES = (5, 25, 50, 75, 95)


class Scan(NamedTuple):
    """Slices of a patient, [z, y, x], their label maps, and the side of the frame.

    ``body_mm`` is the true root mean square radius, with the fat; NaN if unknown.
    """

    patient: str
    image: NDArray[np.float32]
    label: NDArray[np.uint8]
    field_mm: float
    body_mm: float


def main() -> None:
    """Measure both and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="PATIENT")
    parser.add_argument("--to", type=Path, default=DATA, help="CSV file")
    args = parser.parse_args()
    groups = {
        "KiTS19 (adults)": real(args.slices, args.leave_out),
        "phantoms (adults)": phantoms((18, 80)),
        "phantoms (children)": phantoms(None),
    }
    rows = [row for name, scans in groups.items() for row in spread(name, list(scans))]
    pd.DataFrame(rows).to_csv(args.to, index=False, float_format="%.4f")


def real(folder: Path, left_out: list[str]) -> Iterator[Scan]:
    """The slices of a folder in nnU-Net's raw layout."""
    for row in pd.read_csv(folder / "patients.csv").itertuples():
        if row.patient in left_out:
            continue
        image = sitk.ReadImage(str(folder / f"imagesTr/{row.case}_0000.nii.gz"))
        label = sitk.ReadImage(str(folder / f"labelsTr/{row.case}.nii.gz"))
        yield scan(row.patient, image, label)


def phantoms(ages: tuple[float, float] | None) -> Iterator[Scan]:
    """Phantoms of the default configuration but for pixels, slices and ages."""
    changed = {"cases": PHANTOMS, "matrix": SIZE, "slice_spacing_mm": (10.0, 12.0)}
    phantom = replace(load_config([]).cohort.phantom, ages=ages, **changed)
    source = PhantomSource(phantom)
    for name in source.names():
        case = source.load(name)
        assert case.similarity is not None
        body_mm = case.similarity.scale * reference_radius_mm()
        yield scan(case.patient, case.image, case.label, body_mm)


def scan(
    patient: str, image: sitk.Image, label: sitk.Image, body_mm: float = math.nan
) -> Scan:
    """What is measured of a case."""
    values, numbers = map(sitk.GetArrayFromImage, (image, label))
    field_mm = max(image.GetSize()[:2]) * image.GetSpacing()[0]
    return Scan(patient, values.astype(np.float32), numbers, field_mm, body_mm)


def spread(group: str, scans: list[Scan]) -> Iterator[dict[str, str | float]]:
    """One row for each quantity: quantiles and standard deviation over patients."""
    pooled = np.concatenate([one.image[one.label > 0] for one in scans])
    # As nnU-Net normalises CT, but for the unit: only air and foreground's mean count.
    air, middle = float(np.percentile(pooled, 0.5)), float(pooled.mean())
    slices = pd.concat([measured(one, air, middle) for one in scans])
    patients = slices.groupby("patient").median().dropna(axis="columns")
    for quantity, values in patients.items():
        numbers = {f"p{q}": np.percentile(values, q) for q in QUANTILES}
        row = {"group": group, "quantity": quantity, "patients": len(values)}
        yield row | numbers | {"sd": values.std(ddof=1)}


def measured(one: Scan, air: float, middle: float) -> pd.DataFrame:
    """Size, pose and position of every labelled slice, as shares of the frame."""
    image = np.maximum(one.image[(one.label > 0).any(axis=(1, 2))], air) - middle
    thumbnails = torch.from_numpy(image_to_matrix(image, SIZE, air - middle))
    found = moments(silhouette(thumbnails[:, None], air - middle))
    columns = {
        "field_mm": np.full(len(image), one.field_mm),
        "radius_mm": found.radius * one.field_mm / 2,
        "radius_share": found.radius / 2,
        "body_share": found.radius * one.field_mm / 2 / one.body_mm,
        "axes_ratio": found.elongation.sqrt(),
        "angle_deg": found.angle_rad.rad2deg(),
        "x_share": found.centroid[:, 0] / 2,
        "y_share": found.centroid[:, 1] / 2,
    }
    return pd.DataFrame({"patient": one.patient, **columns})


if __name__ == "__main__":
    main()
