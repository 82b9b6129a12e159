"""What the numbers of a label map mean, by the files beside it.

NIfTI has no place for names. DeePRAC keeps them in ``result.json`` of a result, and in
``dataset.json`` of a cohort. Nothing is guessed: 2 is the right kidney in the one and
tumour in the other.
"""

from collections.abc import Mapping
from pathlib import Path

from deeprac.errors import SurgeryError
from deeprac.files import read_json, sha256_of
from deeprac.labels import CohortLabels
from deeprac.surgery import result


def names_beside(path: Path) -> Mapping[int, str]:
    """The names of a label map's numbers; empty where no file beside it says them."""
    return _of_result(path) or _of_cohort(path)


def _of_result(path: Path) -> dict[int, str]:
    """Those of the structures of a result whose very file it is."""
    try:
        found = result.read_result(path.parent / result.NAME)
        expected = found.files[path.name]["sha256"]
        names = {one["number"]: one["name"] for one in found.structures}
    except (SurgeryError, KeyError, TypeError):
        return {}
    # Changed by hand, its numbers may mean anything.
    return names if sha256_of(path) == expected else {}


def _of_cohort(path: Path) -> dict[int, str]:
    """Those of a cohort of DeePRAC, beside its folder of label maps or in it."""
    for folder in path.absolute().parents[:2]:
        try:
            labels = CohortLabels.listed(read_json(folder / "dataset.json"))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return {number: title for title, number in labels.foreground.items()}
    return {}
