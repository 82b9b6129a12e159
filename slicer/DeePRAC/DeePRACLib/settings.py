"""What a user sets, checked before anything runs."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from .errors import Problem, ProblemError

BACKENDS = ("docker", "podman", "local")
"""What runs ``deeprac``: a container's engine, or a program on this machine."""

DEVICES = ("auto", "cuda", "cpu")

TIMEPOINTS = ("", "diagnosis", "after_chemotherapy")
"""When the CT was taken; without it no threshold of a protocol is compared."""

# A name of lower-case parts, then a tag or a digest, so that no option begins it.
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._:/-]*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?", re.A)
_GPU = re.compile(r"\d+|all|GPU-[0-9a-fA-F-]+|MIG-[0-9a-fA-F-]+", re.A)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Settings:
    """How one volume is segmented.

    Attributes:
        backend: one of ``BACKENDS``.
        program: path of the engine, or of ``deeprac`` for ``local``; empty: the one on
            the PATH.
        image: name of the image, best with its digest; unused for ``local``.
        bundle: path of the bundle, a zip with weights and all that belongs to them.
        device: one of ``DEVICES``; ``auto`` takes a GPU where this machine has one.
        gpu: number or id of the GPU that the engine hands over.
        folds: the folds used; all of them when empty.
        batch: slices at a time; 0: as ``deeprac`` chooses.
        timepoint: one of ``TIMEPOINTS``.
        age_years: age at the CT, for the plausibility of sizes; None: unknown.
        margin_mm: rim that is removed with the tumour.
        postprocessing: whether the bundle's post-processing is applied.
        memory_gib: most that the container may use.
        temporary_folder: where the run's private folder is made; empty: the system's.
        results_folder: where all files of a result are kept; empty: nowhere.

    Example:
        >>> Settings.from_json(Settings(folds=(0, 2)).to_json()).folds
        (0, 2)
    """

    backend: str = "docker"
    program: str = ""
    image: str = ""
    bundle: str = ""
    device: str = "auto"
    gpu: str = "0"
    folds: tuple[int, ...] = ()
    batch: int = 0
    timepoint: str = ""
    age_years: float | None = None
    margin_mm: float = 0.0
    postprocessing: bool = True
    memory_gib: int = 16
    temporary_folder: str = ""
    results_folder: str = ""

    @property
    def in_container(self) -> bool:
        """Whether an engine runs ``deeprac``."""
        return self.backend != "local"

    def to_json(self) -> str:
        """One line that ``from_json`` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The settings that ``to_json`` wrote, by this version or another one.

        Keys that this version does not know are left out, missing ones get their
        default: a user does not lose the rest.

        Raises:
            ValueError: the text is no JSON object, or a value has another type.
        """
        stored = json.loads(text)
        if not isinstance(stored, dict):
            raise ValueError("settings are a JSON object")
        known = {one.name: one for one in fields(cls)}
        values = {key: stored[key] for key in stored if key in known}
        for key, value in values.items():
            if not _has_type_of(value, known[key].default, key):
                raise ValueError(f"{key} cannot be {value!r}")
        if "folds" in values:
            values["folds"] = tuple(values["folds"])
        return cls(**values)

    def problems(self) -> list[Problem]:
        """All reasons why a run cannot start, each with its remedy; empty: it can."""
        return [*self._choices(), *self._paths(), *self._numbers()]

    def _choices(self) -> list[Problem]:
        found = []
        for key, allowed in (
            ("backend", BACKENDS),
            ("device", DEVICES),
            ("timepoint", TIMEPOINTS),
        ):
            if getattr(self, key) not in allowed:
                names = ", ".join(name or "none" for name in allowed)
                found.append(
                    Problem(
                        f"{key} is one of {names}; got {getattr(self, key)!r}.",
                        "Choose one of them.",
                    )
                )
        if self.in_container and not _IMAGE.fullmatch(self.image):
            found.append(
                Problem(
                    f"An image has a name such as name:tag or name@sha256:...; got "
                    f"{self.image!r}.",
                    "Give the name under which the image was loaded into the engine.",
                )
            )
        if self.in_container and not _GPU.fullmatch(self.gpu):
            found.append(
                Problem(
                    f"A GPU is given by its number, its id or all; got {self.gpu!r}.",
                    "0 is the first one.",
                )
            )
        return found

    def _paths(self) -> list[Problem]:
        found = []
        for key in ("bundle", "program", "temporary_folder", "results_folder"):
            path = getattr(self, key)
            name = key.replace("_", " ")
            if _UNSAFE.search(path):
                found.append(
                    Problem(
                        f"The path of the {name} has a line break or another control "
                        "character.",
                        "Rename the file or folder.",
                    )
                )
            elif path and not os.path.isabs(path):
                found.append(
                    Problem(
                        f"The path of the {name} must be whole; got {path!r}.",
                        "Choose it with the button beside the field.",
                    )
                )
            elif key.endswith("_folder") and path and not os.path.isdir(path):
                found.append(
                    Problem(
                        f"The {name} is not there: {path}.", "Choose one that is there."
                    )
                )
        if not os.path.isfile(self.bundle):
            given = "is not there" if self.bundle else "is not chosen"
            found.append(
                Problem(
                    f"The bundle {given}.",
                    "Choose the .zip that `deeprac bundle make` wrote.",
                )
            )
        return found

    def _numbers(self) -> list[Problem]:
        rules = (
            (
                all(fold >= 0 for fold in self.folds)
                and len(set(self.folds)) == len(self.folds),
                "Folds are numbers from 0, each once.",
                "Leave it empty for all folds.",
            ),
            (self.batch >= 0, "The slice batch is a number from 1, or 0.", "Try 0."),
            (
                self.age_years is None or 0 <= self.age_years <= 120,
                "The age is between 0 and 120 years.",
                "Leave it out where it is unknown.",
            ),
            (
                0 <= self.margin_mm <= 50,
                "The rim is between 0 and 50 mm.",
                "0 removes the tumour alone.",
            ),
            (
                self.memory_gib >= 4,
                "The container needs at least 4 GiB of memory.",
                "16 GiB are usual.",
            ),
        )
        return [Problem(what, remedy) for holds, what, remedy in rules if not holds]


def _has_type_of(value: Any, default: Any, key: str) -> bool:
    """Whether a stored value has the type of the default."""
    if key == "folds":
        return isinstance(value, list) and all(type(one) is int for one in value)
    if key == "age_years" or isinstance(default, float):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number or (key == "age_years" and value is None)
    return type(value) is type(default)


def parse_folds(text: str) -> tuple[int, ...]:
    """Folds from what a user typed.

    Raises:
        ProblemError: it is no list of numbers.

    Example:
        >>> parse_folds("0, 2 3"), parse_folds("")
        ((0, 2, 3), ())
    """
    try:
        return tuple(int(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise ProblemError(
            f"Folds are numbers such as 0, 1; got {text!r}.", "Empty means all."
        ) from None
