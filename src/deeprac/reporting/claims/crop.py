"""What a crop covers: the worst case decides."""

from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.reporting.claims.arms import Pair
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.claims.recovery import missing_rows
from deeprac.reporting.claims.verdict import Measured, lacking
from deeprac.settings.claims import Claim


def crop(evidence: Evidence, claim: Claim, pair: Pair, _: str) -> Measured:
    """Smallest coverage in percent, or the number of missed cases of all seeds."""
    if why := missing_rows(evidence.diagnostics, "diagnostics", [pair.experiment]):
        return lacking(why)
    assert evidence.diagnostics is not None
    rows = evidence.diagnostics
    rows = rows[rows.experiment == pair.experiment].dropna(subset=["coverage"])
    if rows.empty:
        return lacking(f"summary/diagnostics.csv has no coverage of {pair.experiment}")
    n = rows.patient.nunique()
    if claim.quantity == "missed":
        missed = rows.missed.astype(float)
        seeds = tuple(missed.groupby(rows.seed).sum())
        count = Estimate(float(missed.sum()), NAN, NAN, n)
        return Measured(count, seeds, worst=True, note=f"of {len(rows)} cases")
    worst = rows.loc[rows.coverage.idxmin()]
    seeds = tuple(100 * rows.groupby("seed").coverage.min())
    smallest = Estimate(100 * worst.coverage, NAN, NAN, n)
    note = f"{worst.case}, seed {worst.seed}"
    return Measured(smallest, seeds, worst=True, note=note)
