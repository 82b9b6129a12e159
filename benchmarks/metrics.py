"""Time and memory of all metrics of one large case, and of the library used plainly.

    python benchmarks/metrics.py

The case: 512 x 512 x 200 voxels of 0.7 x 0.7 x 2 mm, two kidneys and a tumour that
fills much of the abdomen; a good prediction with a wavy border and some specks, and a
bad one that is shifted by 35 mm. Every measurement has a process of its own, so that
its peak memory is its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
           "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")  # fmt: skip
os.environ.update(dict.fromkeys(THREADS, "1"))

import numpy as np  # noqa: E402  (after the number of threads is set)
import SimpleITK as sitk  # noqa: E402
import surface_distance as deepmind  # noqa: E402
from scipy import ndimage  # noqa: E402

from deeprac.evaluation.coverage import coverage  # noqa: E402
from deeprac.evaluation.evaluate import read_label_map  # noqa: E402
from deeprac.evaluation.metrics.measure import cropped, measure  # noqa: E402
from deeprac.evaluation.metrics.regions import regions_of  # noqa: E402
from deeprac.evaluation.metrics.surface import surfaces  # noqa: E402
from deeprac.labels import KIDNEY_AND_TUMOUR  # noqa: E402

SHAPE = (200, 512, 512)
SPACING_MM = (2.0, 0.7, 0.7)
PREDICTIONS = ("good", "bad")
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def main() -> None:
    """Measure and report; with ``--work`` do one kind of work in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        name, reference, prediction = args.work
        print(json.dumps(measured(name, Path(reference), Path(prediction))))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_case(Path(folder))
        report(Path(folder), args.repeats)


def report(folder: Path, repeats: int) -> None:
    """Print the least of several measurements of each kind of work."""
    print(f"{processor()}; one thread; least of {repeats}")
    print(f"{'prediction':12}{'work':32}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}")
    for prediction in PREDICTIONS:
        cpu = {}
        for name in WORK:
            runs = [measured_apart(name, folder, prediction) for _ in range(repeats)]
            least = {key: min(run[key] for run in runs) for key in runs[0]}
            cpu[name] = least["cpu"]
            print(
                f"{prediction:12}{name:32}{least['wall']:8.1f}{least['cpu']:8.1f}"
                f"{least['peak_mb']:9.0f}"
            )
        ratio = cpu["surface distances, plain library"] / cpu["surface distances, ours"]
        print(f"{prediction:12}library / ours, CPU: {ratio:.1f}")


def measured_apart(name: str, folder: Path, prediction: str) -> dict[str, float]:
    """Do one kind of work in a fresh process."""
    paths = [str(folder / f"{part}.nii.gz") for part in ("reference", prediction)]
    command = [sys.executable, __file__, "--work", name, *paths]
    return json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    )


def measured(name: str, reference: Path, prediction: Path) -> dict[str, float]:
    """Seconds of wall clock and CPU, and the peak memory of this process in MB."""
    wall, cpu = time.perf_counter(), time.process_time()
    WORK[name](reference, prediction)
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def all_metrics(reference: Path, prediction: Path) -> None:
    """What `deeprac evaluate` does with one case, reading included."""
    found, true = (read_label_map(path) for path in (prediction, reference))
    boxed = cropped(found.voxels, true.voxels)
    for region in regions_of(KIDNEY_AND_TUMOUR):
        coverage(region.mask(true.voxels), dict.fromkeys(range(SHAPE[0]), IDENTITY))
        measure(*boxed, region, true.spacing_xyz_mm[::-1])


def ours(reference: Path, prediction: Path) -> None:
    """Surface distances alone, of all regions."""
    for found, true in masks(reference, prediction):
        summarised(surfaces(*cropped(found, true), SPACING_MM).distances)


def library(reference: Path, prediction: Path) -> None:
    """The same with the library's own search."""
    warnings.simplefilter("ignore", DeprecationWarning)
    for found, true in masks(reference, prediction):
        summarised(deepmind.compute_surface_distances(true, found, SPACING_MM))


def summarised(distances: dict) -> None:
    """The sums that both ways of searching share."""
    for tolerance_mm in (1, 2, SPACING_MM[0]):
        deepmind.compute_surface_dice_at_tolerance(distances, tolerance_mm)
    deepmind.compute_robust_hausdorff(distances, 95)
    deepmind.compute_average_surface_distance(distances)


WORK = {
    "all metrics, with reading": all_metrics,
    "surface distances, ours": ours,
    "surface distances, plain library": library,
}


def masks(reference: Path, prediction: Path):
    """Prediction and reference of every region."""
    found, true = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        for path in (prediction, reference)
    )
    for region in regions_of(KIDNEY_AND_TUMOUR):
        yield region.mask(found), region.mask(true)


def write_case(folder: Path) -> None:
    """Write the reference and both predictions as NIfTI."""
    rng = np.random.default_rng(0)
    true = label_map(np.zeros(3), waves=None)
    wavy = label_map(np.zeros(3), waves=rng)
    specks = rng.random(SHAPE, np.float32) < 2e-6
    wavy[ndimage.binary_dilation(specks, iterations=3)] = 2
    shifted = label_map(np.array([0.0, 20.0, 28.7]), waves=rng)
    for name, labels in (("reference", true), ("good", wavy), ("bad", shifted)):
        image = sitk.GetImageFromArray(labels)
        image.SetSpacing(SPACING_MM[::-1])
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))


def label_map(shift_mm: np.ndarray, *, waves: np.random.Generator | None) -> np.ndarray:
    """Two kidneys and a large tumour; with waves, borders that are a little off."""
    grid = np.meshgrid(
        *(
            (np.arange(n) - n / 2) * step - by
            for n, step, by in zip(SHAPE, SPACING_MM, shift_mm, strict=True)
        ),
        indexing="ij",
        sparse=True,
    )
    border = np.float32(1)
    if waves is not None:
        coarse = waves.normal(0, 1, (20, 32, 32)).astype(np.float32)
        zoom = np.array(SHAPE) / coarse.shape
        border = 1 + 0.04 * ndimage.zoom(coarse, zoom, order=1)
    labels = np.zeros(SHAPE, np.uint8)
    for number, centre, radii in (
        (1, (-20, 60, -85), (58, 30, 28)),
        (1, (-20, 60, 85), (58, 30, 28)),
        (2, (10, -5, 35), (125, 75, 95)),
    ):
        terms = [
            ((axis - c) / r).astype(np.float32) ** 2
            for axis, c, r in zip(grid, centre, radii, strict=True)
        ]
        labels[terms[0] + terms[1] + terms[2] <= border] = number
    return labels


def processor() -> str:
    """Name of the CPU, as the kernel tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else "unknown CPU"


if __name__ == "__main__":
    main()
