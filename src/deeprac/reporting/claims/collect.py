"""All results in the order of the claims."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deeprac.config import Config, load_config
from deeprac.config_files import resolve
from deeprac.errors import ConfigError
from deeprac.files import read_json
from deeprac.reporting.claims.claim import ClaimResult
from deeprac.reporting.claims.crop import crop
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.claims.few_patients import few_patients
from deeprac.reporting.claims.overhead import counted_experiments, overhead
from deeprac.reporting.claims.recovery import recovery
from deeprac.reporting.claims.stress import stress

PROTOCOL = Path("config/config.yaml")
"""The paper's protocol, where the working directory has it."""

Costs = list[dict[str, Any]]
"""Result of ``deeprac.training.step.experiment_costs``."""


def all_claims(
    evidence: Evidence, protocol: Config | None, costs: Costs
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
        *overhead(evidence, protocol, costs),
    ]


def read_protocol(path: Path) -> tuple[Config, Costs]:
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


def counted_protocol(
    path: Path | None, count: Callable[[Config, list[str]], Costs]
) -> tuple[Config | None, Costs]:
    """Count a training step of the protocol's experiments that have a threshold.

    Args:
        path: Configuration of the protocol; None for ``PROTOCOL``.
        count: Counts a step of each of the experiments that are named.

    Returns:
        The protocol, None without a file, and the costs.
    """
    if path is None and not PROTOCOL.is_file():
        return None, []
    protocol = load_config([path or PROTOCOL])
    names = [experiment.name for experiment in counted_experiments(protocol)]
    return protocol, count(protocol, names) if names else []
