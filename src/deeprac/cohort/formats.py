"""The formats that a cohort can come in: one module and one line each."""

from collections.abc import Callable

from deeprac.cohort.case import Source
from deeprac.cohort.nnunet_raw import NnunetRawSource
from deeprac.cohort.phantom import PhantomSource
from deeprac.config import CohortConfig
from deeprac.errors import ConfigError

FORMATS: dict[str, Callable[[CohortConfig], Source]] = {
    "phantom": PhantomSource,
    "nnunet_raw": NnunetRawSource,
}


def open_source(config: CohortConfig) -> Source:
    """Open the source that ``cohort.format`` names."""
    if config.format not in FORMATS:
        raise ConfigError(
            f"cohort.format is {config.format!r}: no such format. "
            f"Choose one of {', '.join(FORMATS)}."
        )
    return FORMATS[config.format](config)
