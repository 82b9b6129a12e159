"""Do intervals hold the truth, and how often is a difference found where there is none?

    PYTHONPATH=src python benchmarks/coverage.py

Draws comparisons of two methods that do not differ, many times, and concludes in two
ways: over patients alone (what the tables call "these trainings") and over patients and
seeds. Writes docs/data/coverage.csv, and its tables into docs/statistics.md, in half a
minute on one core. The same numbers come out every time.

A difference is that of a patient (hard for one method; normal, or as skewed as the Dice
of tumours), plus that of a seed (a training that went better), plus that of a patient
in a seed, all with the mean zero. In points of Dice.
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from deeprac.evaluation.statistics.estimates import CONFIDENCE
from deeprac.evaluation.statistics.power import ALPHA
from deeprac.evaluation.statistics.two_way import two_way
from deeprac.reporting import blocks, formats
from deeprac.reporting.render import markdown
from deeprac.reporting.tables.table import Part, Table, number

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "data" / "coverage.csv"
PAGE = ROOT / "docs" / "statistics.md"

SAMPLES = 10_000
PATIENTS = (6, 10, 16, 48, 200)
SEEDS = (3, 5)
SEED_SDS = (0, 1, 2)
REST_SD = 3.0
"""Of a patient in a seed."""
PATIENT_SDS = {"alike": 0.0, "normal": 3.0, "skewed": 3.0}
"""Of the patients' own differences, by what they are like."""
TUMOUR_DICE = (0.86, 0.25)
"""Mean and SD, about those of the paper at 512 pixels: skewed patients are as these."""

KEYS = ["kind", "patients", "seed_sd", "seeds"]
RATES = ("patients_coverage", "patients_false", "method_coverage", "method_false")

HEADINGS = {
    "alike": "Patients alike: no patient is harder for one method in every seed",
    "normal": "Patients differ normally, SD 3 points",
    "skewed": "Patients differ as skewed as the Dice of tumours, SD 3 points",
}


def differences(
    kind: str, patients: int, seeds: int, seed_sd: float, samples: int = SAMPLES
) -> NDArray[np.float64]:
    """Samples of paired differences without a true mean difference.

    Args:
        kind: a key of ``PATIENT_SDS``.
        patients: how many.
        seeds: how many trainings of both sides.
        seed_sd: SD over seeds, in points.
        samples: how many comparisons.

    Returns:
        (samples, patients, seeds), in points.
    """
    key = [list(PATIENT_SDS).index(kind), patients, seeds, round(10 * seed_sd)]
    rng = np.random.default_rng([2025, *key])
    own = rng.normal(0, 1, (samples, patients, 1))
    if kind == "skewed":
        mean, sd = TUMOUR_DICE
        size = mean * (1 - mean) / sd**2 - 1
        dice = rng.beta(mean * size, (1 - mean) * size, (samples, patients, 1))
        own = (dice - mean) / sd
    of_seeds = rng.normal(0, 1, (samples, 1, seeds))
    rest = rng.normal(0, 1, (samples, patients, seeds))
    return PATIENT_SDS[kind] * own + seed_sd * of_seeds + REST_SD * rest


def accelerated_interval(values: NDArray) -> tuple[NDArray, NDArray]:
    """Ends of the BCa bootstrap interval of a mean, without a bootstrap.

    The ABC interval, to which BCa converges with many resamples (DiCiccio and Efron,
    Biometrika 1992): for a mean bias correction and acceleration are the same number.

    Args:
        values: (samples, patients).
    """
    around = values - values.mean(-1, keepdims=True)
    squares = (around**2).sum(-1)
    error = np.sqrt(squares) / values.shape[-1]
    skew = (around**3).sum(-1) / (6 * squares**1.5)
    ends = []
    for share in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
        shift = skew + stats.norm.ppf(share)
        ends.append(values.mean(-1) + error * shift / (1 - skew * shift) ** 2)
    return ends[0], ends[1]


def rates(kind: str, patients: int, seed_sd: float, seeds: int) -> dict[str, float]:
    """Share of samples whose interval holds zero, and that find a difference.

    Over patients it is found by Wilcoxon's test, over patients and seeds by the t test
    where all seeds are on one side. Neither asks for five seeds here.
    """
    values = differences(kind, patients, seeds, seed_sd)
    means = values.mean(-1)
    low, high = accelerated_interval(means)
    found = two_way(values)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, found.degrees) * found.standard_error
    above = (values.mean(-2) > 0).sum(-1)
    agree = (above == 0) | (above == seeds)
    shares = (
        (low <= 0) & (high >= 0),
        stats.wilcoxon(means, axis=-1).pvalue < ALPHA,
        np.abs(found.mean) <= half,
        (found.p() < ALPHA) & agree,
    )
    return dict(zip(RATES, (float(np.mean(share)) for share in shares), strict=True))


def simulate() -> pd.DataFrame:
    """All cells, in the order of ``KEYS``."""
    cells = product(PATIENT_SDS, PATIENTS, SEED_SDS, SEEDS)
    rows = []
    for cell in cells:
        rows.append(dict(zip(KEYS, cell, strict=True)) | rates(*cell))
        sys.stderr.write(f"{rows[-1]}\n")
    return pd.DataFrame(rows)


def table(rows: pd.DataFrame) -> Table:
    """To read: one part per kind of patients, 3 and 5 seeds side by side."""
    parts = []
    for kind, own in rows.groupby("kind", sort=False):
        wide = own.set_index(KEYS[1:]).unstack("seeds")[list(RATES)]
        wide.columns = [f"{rate}_{seeds}" for rate, seeds in wide.columns]
        columns = [number("patients", "Patients"), number("seed_sd", "SD of seeds")]
        for seeds, (rate, title) in product(SEEDS, _titles().items()):
            show, group = formats.percent_1, f"{seeds} seeds, %"
            columns.append(number(f"{rate}_{seeds}", title, show, group=group))
        shown = wide.reset_index()
        parts.append(Part(tuple(columns), shown, HEADINGS[str(kind)]))
    title = f"Two methods that do not differ, {SAMPLES:,} comparisons a cell"
    return Table("coverage", title, rows, tuple(parts), ())


def _titles() -> dict[str, str]:
    names = {"patients": "over patients", "method": "over both"}
    whats = {"coverage": "holds", "false": "false"}
    return {f"{n}_{w}": f"{whats[w]}, {names[n]}" for w in whats for n in names}


def with_tables(text: str) -> str:
    """Return the page with the table of the stored simulation."""
    makers = {"coverage": lambda: markdown(table(pd.read_csv(DATA)))}
    return blocks.with_tables(text, makers)


if __name__ == "__main__":
    simulate().round(5).to_csv(DATA, index=False)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
