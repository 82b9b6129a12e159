"""The file ``dataset.json`` of the Medical Segmentation Decathlon and of nnU-Net."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deeprac.cohort.endings import without_ending
from deeprac.errors import CohortError
from deeprac.files import on_disk
from deeprac.strict import TwiceError, parse_json


def read_dataset(folder: Path, layout: str) -> dict[str, Any]:
    """Read the ``dataset.json`` of a folder; ``layout`` says what that must be.

    Raises:
        CohortError: the file is missing, not a JSON mapping, or has a key twice.
    """
    path = folder / "dataset.json"
    if not path.is_file():
        raise CohortError(f"{path} is missing. cohort.path must be {layout}.")
    try:
        dataset = parse_json(path.read_text(encoding="utf-8"))
    except TwiceError as error:
        # Below "dataset" the keys are names of cases.
        hidden = error.within == ("dataset",)
        what = "a case" if hidden else f"the key {error.key!r}"
        raise CohortError(
            f"{path} has {what} twice, in {error.where}; readers take the last. Keep "
            "one."
        ) from error
    except ValueError as error:
        raise CohortError(f"{path} is not valid JSON ({error}). Correct it.") from error
    if not isinstance(dataset, dict):
        raise CohortError(f"{path} must hold a mapping of keys. Correct it.")
    return dataset


def require(
    dataset: Mapping[str, Any], keys: tuple[str, ...], channels: str, path: Path
) -> None:
    """Make sure that keys are there, and that the images have one channel.

    ``channels`` is the key of channel by number: modality, or nnU-Net's channel_names.

    Raises:
        CohortError: naming the first key that is not there, or the channels.
    """
    for key in (channels, *keys):
        if key not in dataset:
            raise CohortError(f"{path} has no {key!r}. Add it, or correct cohort.path.")
    named = dataset[channels]
    if not isinstance(named, dict) or len(named) != 1:
        listed = list(named.values()) if isinstance(named, dict) else named
        raise CohortError(
            f"{path} lists the channels {listed}. Give a dataset with CT as its only "
            "channel."
        )


def training_files(dataset: Mapping[str, Any], folder: Path) -> dict[str, tuple]:
    """Read the list "training" of pairs of files.

    Returns:
        Image and label by case: the label's name without its ending. Paths are
        relative to ``folder``; what begins with a dot is a leftover, not a case.

    Raises:
        CohortError: an entry is not such a pair, or a file is listed twice.
    """
    path = folder / "dataset.json"
    files: dict[str, tuple[Path, Path]] = {}
    entry_of: dict[Path, int] = {}
    for number, entry in enumerate(dataset["training"], start=1):
        pair = entry if isinstance(entry, dict) else {}
        listed: list[Any] = [pair.get(key) for key in ("image", "label")]
        if not all(isinstance(file, str) for file in listed):
            raise CohortError(
                f"{path}: entry {number} of 'training' must have an image and a label, "
                "each a path. Correct it."
            )
        image, label = (on_disk(folder / file) for file in listed)
        if label.name.startswith("."):
            continue
        for file in (image, label):
            if (first := entry_of.setdefault(file, number)) != number:
                raise CohortError(
                    f"{path}: entries {first} and {number} of 'training' list the same "
                    "file. Keep one."
                )
        case = without_ending(label)
        if case in files:
            raise CohortError(
                f"{path}: entry {number} of 'training' has a label of the same name "
                "as an entry before it. Give every case a name of its own."
            )
        files[case] = image, label
    if not files:
        raise CohortError(f"{path} lists no training cases. Correct cohort.path.")
    return files
