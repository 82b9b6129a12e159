"""All results in the order of the claims."""

from pathlib import Path
from typing import Any

from deeprac.config import Config
from deeprac.config_files import resolve
from deeprac.errors import ConfigError
from deeprac.files import read_json
from deeprac.reporting.claims.claim import ClaimResult
from deeprac.reporting.claims.crop import crop
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.claims.few_patients import few_patients
from deeprac.reporting.claims.overhead import overhead
from deeprac.reporting.claims.recovery import recovery
from deeprac.reporting.claims.stress import stress


def all_claims(
    evidence: Evidence, protocol: Config | None, costs: list[dict[str, Any]]
) -> list[ClaimResult]:
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
