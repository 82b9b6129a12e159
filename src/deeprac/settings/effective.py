"""What a run depends on, in effect: the identity of its settings.

A key that a later version adds means, at one value, "as before it existed"; the schema
says so (``neutral``). At that value it counts as not there, so that a new version
repeats no finished training.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deeprac.schema import load_schema
from deeprac.settings.training import MACHINE_KEYS

if TYPE_CHECKING:
    from deeprac.config import Config
    from deeprac.settings.methods import Experiment

METHOD_KEYS = (
    *("normaliser", "crop", "augment", "augment_scale", "augment_svf"),
    *("network_input", "crop_size", "pretrain", "zero_shot", "other_share"),
)
"""Keys of a method that change its runs; the others are words for people."""


LONGEST = 40
"""Characters of a value in a message."""


def run_settings(config: "Config", row: "Experiment") -> dict[str, Any]:
    """Return all settings on which the runs of an experiment depend, as JSON values.

    Args:
        config: the whole configuration.
        row: the experiment.
    """
    method = config.methods[row.method]
    front_end = config.front_end_settings(method)
    idea, training = asdict(method), asdict(config.training_of(row))
    settings = {
        "matrix": effective("$defs.matrix", asdict(config.matrices[row.matrix])),
        "method": effective("$defs.method", {key: idea[key] for key in METHOD_KEYS}),
        "air": config.cohort.air,
        "network": effective("properties.network", asdict(config.network)),
        "front_end": front_end
        and effective(f"properties.{method.front_end.section}", front_end),
        "training_patients": row.training_patients,
        "training": effective(
            "properties.training",
            {key: training[key] for key in training if key not in MACHINE_KEYS},
        ),
    }
    return json.loads(json.dumps(settings))


def effective(part: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those at their neutral value.

    Args:
        part: where the schema has their properties, keys joined by dots.
        settings: by key; sections in it likewise.
    """
    schema = load_schema()
    for key in part.split("."):
        schema = schema[key]
    properties = schema["properties"]
    return {
        key: effective(f"{part}.properties.{key}", value)
        if "properties" in properties[key]
        else value
        for key, value in settings.items()
        if "neutral" not in properties[key] or properties[key]["neutral"] != value
    }


def differences(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """Yield the keys that differ, with both values.

    Args:
        old: settings, nested.
        new: the same of today.
        key: dotted key of both.

    Example:
        >>> list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}))
        ['a.c: 2 -> 3']
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            inner = f"{key}.{name}" if key else name
            yield from differences(
                old.get(name, "not there"), new.get(name, "not there"), inner
            )
    elif old != new:
        yield f"{key}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
