"""All findings in the order of the claims."""

from typing import Any

from deeprac.config import Config
from deeprac.reporting.findings.crop import crop
from deeprac.reporting.findings.evidence import Evidence
from deeprac.reporting.findings.few_patients import few_patients
from deeprac.reporting.findings.finding import Finding
from deeprac.reporting.findings.overhead import overhead
from deeprac.reporting.findings.recovery import recovery
from deeprac.reporting.findings.stress import stress


def all_findings(
    evidence: Evidence, protocol: Config | None, costs: list[dict[str, Any]]
) -> list[Finding]:
    """Judge every claim.

    Args:
        evidence: Tables of the cohort.
        protocol: The paper's protocol; None if its file is missing.
        costs: Costs of a step of the protocol's experiments.
    """
    return [
        *recovery(evidence),
        *crop(evidence),
        *few_patients(evidence),
        *stress(evidence),
        *overhead(protocol, costs),
    ]
