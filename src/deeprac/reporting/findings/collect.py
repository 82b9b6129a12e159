"""All findings in the order of the claims."""

from pathlib import Path
from typing import Any

from deeprac.config import Config, resolve
from deeprac.errors import ConfigError
from deeprac.files import read_json
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


def read_protocol(path: Path) -> tuple[Config, list[dict[str, Any]]]:
    """Read what `deeprac cost --output` wrote: the protocol and the cost of its steps.

    Raises:
        ConfigError: It is no such file.
    """
    content = read_json(path)
    if not isinstance(content, dict) or set(content) != {"config", "costs"}:
        raise ConfigError(
            f"{path} must hold a configuration and its costs. Write it with `deeprac "
            "cost --config config/config.yaml --output ...`."
        )
    return Config.from_resolved(resolve(content["config"])), content["costs"]
