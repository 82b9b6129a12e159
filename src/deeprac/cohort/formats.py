"""The formats that a cohort can come in: one module and one line each."""

from deeprac.cohort.case import Source
from deeprac.cohort.confidential import confidential, names_of_source, open_to_all
from deeprac.cohort.convert import ConvertedSource
from deeprac.cohort.dicom.reader import open_dicom
from deeprac.cohort.kits import open_kits
from deeprac.cohort.nnunet_raw import open_msd, open_nnunet_raw
from deeprac.cohort.pairs import open_pairs
from deeprac.cohort.phantom import PhantomSource
from deeprac.cohort.pseudonyms import Pseudonyms
from deeprac.cohort.reader import Reader
from deeprac.cohort.totalsegmentator import open_totalsegmentator
from deeprac.errors import ConfigError
from deeprac.settings.cohort import CohortConfig

READERS: dict[str, Reader] = {
    "nnunet_raw": open_nnunet_raw,
    "msd": open_msd,
    "kits": open_kits,
    "pairs": open_pairs,
    "dicom": open_dicom,
    "totalsegmentator": open_totalsegmentator,
}
"""The formats that are read from files."""


def open_source(config: CohortConfig) -> Source:
    """Open the source that ``cohort.format`` names."""
    if config.is_phantom:
        return PhantomSource(config.phantom)
    if config.format not in READERS:
        raise ConfigError(
            f"cohort.format is {config.format!r}: no such format. "
            f"Choose one of phantom, {', '.join(READERS)}."
        )
    reader = READERS[config.format]
    if not config.pseudonyms:
        with open_to_all():
            return ConvertedSource(reader(config), config)
    log = Pseudonyms(config.private, config.name).log
    with confidential(log, lambda: names_of_source(config)):
        return ConvertedSource(reader(config), config)
