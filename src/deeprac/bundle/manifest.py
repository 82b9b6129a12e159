"""``bundle.json``: what a bundle is, what it was trained on, and which files it has."""

import re
from collections.abc import Iterable
from typing import Any

import jsonschema

from deeprac.errors import BundleError
from deeprac.labels import TITLES
from deeprac.strict import parse_json

MANIFEST = "bundle.json"
SCHEMA = 1
"""Version of the manifest and of the bundle that it describes."""

LICENCE = "LICENSE"
"""Of the weights, apart from the code's."""

POSTPROCESSING = "postprocessing.json"
PLANS, DATASET = "model/plans.json", "model/dataset.json"

AGAIN = "Get the bundle again, or make it again with `deeprac bundle make`."

RANGES = (
    *("spacing_x_mm", "spacing_z_mm", "field_of_view_mm", "age_years"),
    *("kidney_ml", "tumour_ml", "kidney_hu"),
)
"""What is known of the training cohort, each as its smallest and largest value."""

UNSEEN = r"\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Characters that a screen does not show as they are: they move or hide others."""

_TEXT = {
    "type": "string",
    "minLength": 1,
    "maxLength": 500,
    "pattern": rf"\A[^{UNSEEN}]+\Z",
}
_COUNT = {"type": "integer", "minimum": 1}
_NUMBER = {"type": ["number", "null"]}
_KNOWN = {"type": ["string", "boolean", "null"], "maxLength": 200}
_SUMMARY = {
    "type": "object",
    "required": ["n", "mean", "sd", "median"],
    "properties": {
        "n": {"type": "integer"},
        **dict.fromkeys(("mean", "sd", "median"), _NUMBER),
    },
}


def object_of(**properties: Any) -> dict[str, Any]:
    """An object that must have these entries and may have others."""
    return {"type": "object", "required": list(properties), "properties": properties}


FORM = object_of(
    schema={"const": SCHEMA},
    name=_TEXT | {"maxLength": 80},
    version={"type": "string", "pattern": r"\A[0-9]{1,6}(\.[0-9]{1,6}){2}\Z"},
    frame={"const": "LPS"},
    intensity={"enum": ["hu", "grey"]},
    labels={
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"enum": list(TITLES)},
        "additionalProperties": object_of(
            number=_COUNT, terminology={"type": "object"}
        ),
    },
    method=object_of(experiment=_TEXT, name=_TEXT, matrix=_TEXT),
    folds={
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    training=object_of(
        cohort=_TEXT,
        format=_TEXT,
        patients=_COUNT,
        cases=_COUNT,
        ranges={
            "type": "object",
            "propertyNames": {"enum": list(RANGES)},
            "additionalProperties": {
                "type": "array",
                "items": {"type": "number"},
                "minItems": 2,
                "maxItems": 2,
            },
        },
    ),
    held_out=object_of(
        patients=_COUNT,
        cases=_COUNT,
        metrics={
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": _SUMMARY,
            },
        },
    ),
    cost=object_of(seconds_per_slice={"type": "number"}, device=_TEXT),
    intended_use=_TEXT,
    limits={"type": "array", "items": _TEXT},
    git={"type": "object", "additionalProperties": _KNOWN},
    software={"type": "object", "additionalProperties": _KNOWN},
    files={
        "type": "object",
        "additionalProperties": object_of(
            bytes={"type": "integer", "minimum": 0},
            sha256={"type": "string", "pattern": r"\A[0-9a-f]{64}\Z"},
        ),
    },
)
"""JSON schema of the manifest."""


def checkpoint(fold: int) -> str:
    """Member with the weights of a fold."""
    return f"model/fold_{fold}/checkpoint_final.pth"


def members(folds: Iterable[int]) -> set[str]:
    """All files that a bundle of these folds has, beside its manifest."""
    return {
        *(PLANS, DATASET, POSTPROCESSING, "README.md", LICENCE),
        "configs/metadata.json",
        *(name for fold in folds for name in (checkpoint(fold), f"run_{fold}.json")),
    }


def parse_manifest(content: bytes) -> dict[str, Any]:
    """Read and check ``bundle.json``.

    Raises:
        BundleError: it is of another version or lacks something, or it lists other
            files than its folds make.
    """
    try:
        manifest = parse_json(content.decode())
    except ValueError as error:
        raise BundleError(f"{MANIFEST} in it is no JSON: {error}. {AGAIN}") from error
    found = manifest.get("schema") if isinstance(manifest, dict) else None
    if found != SCHEMA:
        newer = isinstance(found, int) and found > SCHEMA
        raise BundleError(
            f"{MANIFEST} in it has schema {str(found)[:20]!r}; this version of DeePRAC "
            f"reads {SCHEMA}. {'Install a newer DeePRAC.' if newer else AGAIN}"
        )
    check_form(manifest, FORM, f"{MANIFEST} in it is")
    for name, (low, high) in manifest["training"]["ranges"].items():
        if low > high:
            raise BundleError(
                f"{MANIFEST} in it says that {name} goes from {low:g} to {high:g}. "
                f"{AGAIN}"
            )
    listed, expected = set(manifest["files"]), members(manifest["folds"])
    for names, what in ((expected - listed, "lacks"), (listed - expected, "lists")):
        if names:
            raise BundleError(
                f"{MANIFEST} in it {what} {shown(min(names))}; its folds are "
                f"{manifest['folds']}. {AGAIN}"
            )
    return manifest


def check_form(content: Any, form: dict[str, Any], subject: str) -> None:
    """Check foreign JSON by a schema.

    Args:
        content: the JSON.
        form: its schema.
        subject: how the message begins, with its verb.

    Raises:
        BundleError: naming the entry that is not as it must be.
    """
    wrong = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(form).iter_errors(content)
    )
    if wrong is not None:
        where = ".".join(map(str, wrong.absolute_path)) or "it"
        raise BundleError(
            f"{subject} not as it must be: {shown(where)}: {shown(wrong.message)}. "
            f"{AGAIN}"
        )


def shown(text: str, *, longest: int = 200) -> str:
    r"""A foreign text as it may stand on a screen.

    Example:
        >>> shown("a\x1b[2Jb")
        'a?[2Jb'
    """
    return re.sub(f"[{UNSEEN}]", "?", text[:longest])
