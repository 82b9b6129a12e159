"""How far quality flags find a bad segmentation: held-out phantoms, also stressed.

    B=results/demo/bundles/fine_stn_crop.zip
    python benchmarks/flags.py --config results/demo/config.json --bundle $B

The phantoms come after those of the cohort: same generator, same settings, and no fold
saw them. Each is segmented as it is, and turned, zoomed, cut by the field of view,
noisy and with shifted values, each several times by an amount drawn at random, in the
way of ``deeprac segment``. Written are the Dice of each case and the number of every
flag, raised or not, so that limits can be chosen and judged afterwards;
``docs/surgery.py`` makes the table of them.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from tqdm import tqdm

from deeprac import provenance
from deeprac.bundle.archive import Bundle, check_contents, opened
from deeprac.cohort.case import Case
from deeprac.cohort.findings import CaseError
from deeprac.cohort.phantom.source import PhantomSource
from deeprac.cohort.volume import open_volume
from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.evaluation.metrics.overlap import overlap
from deeprac.events import Events
from deeprac.files import write_text
from deeprac.inference.segment import SegmentSettings, segment
from deeprac.inference.stress import LabelledCase, stress_case
from deeprac.inference.study import Asked, study_of
from deeprac.labels import FOREGROUND
from deeprac.layout import Layout
from deeprac.records.stress import Condition, Perturbation
from deeprac.surgery.anatomy import Anatomy, Kind
from deeprac.surgery.flags import Flag
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.study import Study

DATA = Path(__file__).parents[1] / "docs" / "data" / "flags.json"
AIR_HU = -1000.0
KIND_OF = {"kidney": Kind.KIDNEY, "tumour": Kind.TUMOUR}

Pair = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""CT in HU and label map, [z, y, x]."""


@dataclass(frozen=True)
class Stress:
    """One way of changing a case.

    Attributes:
        amount: drawn for a case.
        changed: the case by that amount.
    """

    amount: Callable[[np.random.Generator], float]
    changed: Callable[[LabelledCase, float, np.random.Generator], Pair]


def moved(kind: Perturbation) -> Callable[..., Pair]:
    """A change of ``deeprac.inference.stress``."""

    def change(case: LabelledCase, value: float, _: np.random.Generator) -> Pair:
        shown = stress_case(case, Condition(kind, value), air=AIR_HU)
        return shown.image, shown.labels

    return change


def cut(case: LabelledCase, share: float, rng: np.random.Generator) -> Pair:
    """Keep a share of the volume along one axis, from one of its ends."""
    axis, end = int(rng.integers(3)), bool(rng.integers(2))
    size = case.image.shape[axis]
    kept = max(4 if axis == 0 else 16, round(share * size))
    part = [slice(None)] * 3
    part[axis] = slice(size - kept, None) if end else slice(0, kept)
    return case.image[tuple(part)], case.labels[tuple(part)]


def noisy(case: LabelledCase, sd_hu: float, rng: np.random.Generator) -> Pair:
    """Add white noise."""
    return case.image + rng.normal(0, sd_hu, case.image.shape), case.labels


def shifted(case: LabelledCase, by_hu: float, _: np.random.Generator) -> Pair:
    """Add to all values but those of air, as a wrong calibration does."""
    return np.where(case.image > -900, case.image + by_hu, case.image), case.labels


STRESSES = {
    "none": Stress(lambda rng: 0.0, lambda case, _, rng: (case.image, case.labels)),
    "turned, degrees": Stress(
        lambda rng: rng.uniform(-180, 180), moved(Perturbation.ROTATION)
    ),
    "zoomed, times": Stress(
        lambda rng: math.exp(rng.uniform(-0.9, 0.9)), moved(Perturbation.SCALE)
    ),
    "cut, share kept": Stress(lambda rng: rng.uniform(0.3, 0.9), cut),
    "noisy, SD in HU": Stress(lambda rng: rng.uniform(40, 400), noisy),
    "values shifted, HU": Stress(lambda rng: rng.uniform(-150, 150), shifted),
}


def main() -> None:
    """Segment all cases and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="of the results")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=DATA, help="JSON file")
    parser.add_argument("--phantoms", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=2, help="of each stress")
    args = parser.parse_args()
    phantom = load_config([args.config]).cohort.phantom
    first = phantom.cases
    more = replace(phantom, cases=first + args.phantoms)
    source = PhantomSource(more)
    nowhere = Path(tempfile.gettempdir())
    configure_nnunet(Layout(nowhere), workspace=nowhere, data_workers=0)
    # Before minutes in which the checkout may change.
    made_by = {
        "git": provenance.git_state(),
        "software": provenance.software("vtk"),
    }
    cases = []
    with opened(args.bundle) as bundle, every_number_flagged():
        check_contents(bundle)
        for name in tqdm(source.names()[first:], unit="phantom"):
            cases += list(of_phantom(source.load(name), bundle, args.repeats))
        content = made_by | {
            "bundle": {
                k: bundle.manifest[k] for k in ("name", "method", "folds", "git")
            },
            "phantom": asdict(more),
        }
    write_text(args.to, as_text(content, cases))


def of_phantom(case: Case, bundle: Bundle, repeats: int) -> Iterator[dict[str, Any]]:
    """One record for each stress of a phantom, each of its own random numbers."""
    image, label = map(sitk.GetArrayFromImage, (case.image, case.label))
    spacing = case.image.GetSpacing()
    labelled = LabelledCase(image.astype(np.float32), label, spacing[::-1])
    number = int(case.name.rpartition("_")[2])
    for index, (name, stress) in enumerate(STRESSES.items()):
        for repeat in range(repeats if name != "none" else 1):
            rng = np.random.default_rng([number, index, repeat])
            amount = float(stress.amount(rng))
            pair = stress.changed(labelled, amount, rng)
            record = {"case": case.name, "stress": name, "amount": short(amount)}
            yield record | found_in(pair, spacing, case.age_years, bundle)


def found_in(
    pair: Pair,
    spacing: tuple[float, ...],
    age_years: float | None,
    bundle: Bundle,
) -> dict[str, Any]:
    """Dice of kidney and tumour, and the worst number of each flag."""
    image, truth = pair
    try:
        study = segmented(image, spacing, age_years, bundle)
    except CaseError as error:
        return {"refused": [finding.check for finding in error.findings]}
    shown = united(study.anatomy)
    dice = {
        label.title: overlap(shown[label.title], truth == label).dice
        for label in FOREGROUND
    }
    # Of a label that neither shows there is none.
    known = {title: short(one) for title, one in dice.items() if not math.isnan(one)}
    return {"dice": known, "flags": worst(study.flags)}


def segmented(
    image: NDArray[np.float32],
    spacing: tuple[float, ...],
    age_years: float | None,
    bundle: Bundle,
) -> Study:
    """Segment a volume in the way of ``deeprac segment``.

    Raises:
        CaseError: it is refused.
    """
    volume = sitk.GetImageFromArray(np.rint(image).clip(-1024, 3071).astype(np.int16))
    volume.SetSpacing(spacing)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ct.nii.gz"
        sitk.WriteImage(volume, str(path))
        ct = open_volume(path, "hu")
    with Events({"segment": 1.0}) as events:
        labels = segment(ct, bundle, SegmentSettings(device="cpu"), events)
    return study_of(ct, labels, bundle, Asked(age_years))


def united(anatomy: Anatomy) -> dict[str, NDArray[np.bool_]]:
    """All kidneys, and all tumours."""
    return {
        title: anatomy.mask(*anatomy.of_kind(kind)) for title, kind in KIND_OF.items()
    }


@contextmanager
def every_number_flagged() -> Iterator[None]:
    """Let every number make a flag, for as long as the block runs."""
    usual = dict(LIMITS)
    LIMITS.update(
        {
            code: replace(
                limit,
                look=-math.inf if limit.worse == "above" else math.inf,
                do_not_use=None,
            )
            for code, limit in usual.items()
        }
    )
    try:
        yield
    finally:
        LIMITS.update(usual)


def worst(flags: tuple[Flag, ...]) -> dict[str, float]:
    """The worst number of each flag; of what has its limits elsewhere, how many."""
    values: dict[str, list[float]] = {}
    for flag in flags:
        values.setdefault(flag.code, []).append(float(flag.value or 0.0))
    return {
        code: len(found)
        if code == "outside_training"
        else short((max if LIMITS[code].worse == "above" else min)(found))
        for code, found in sorted(values.items())
    }


def short(value: float) -> float:
    """Four digits."""
    return float(f"{value:.4g}")


def as_text(content: Mapping[str, Any], cases: list[dict[str, Any]]) -> str:
    """JSON with a line for each case."""
    head = json.dumps(content, indent=1, default=str)[:-2]
    lines = ",\n  ".join(json.dumps(case) for case in cases)
    return f'{head},\n "cases": [\n  {lines}\n ]\n}}\n'


if __name__ == "__main__":
    sys.exit(main())
