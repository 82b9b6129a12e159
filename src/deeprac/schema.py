"""The configuration's schema: defaults, and errors that name the key.

Works on plain dictionaries, before the frozen dataclasses of ``deeprac.config`` exist.
"""

import copy
import difflib
import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from deeprac.errors import ConfigError
from deeprac.shipped import shipped
from deeprac.strict import parse_yaml

RENAMED = {
    "released": "labarbera",
    "claim": "test",
    "stn_released": "stn_labarbera",
    "series": "dicom",
    "annotation": "kits.annotation",
}
"""Keys and values by the names that they had once; with a dot, of another section."""

SCHEMA = shipped("workflow/schemas/config.schema.yaml")


@cache
def load_schema() -> dict[str, Any]:
    """Read the JSON schema of the configuration.

    Raises:
        ConfigError: the file is not there.
    """
    if not SCHEMA.is_file():
        raise ConfigError(
            f"the configuration's schema {SCHEMA} is missing. Install DeePRAC again: "
            "with `pip install .` in a checkout, or `make venv`."
        )
    return parse_yaml(SCHEMA.read_text(encoding="utf-8"))


def defaults(schema: dict[str, Any]) -> Any:
    """Return the defaults of a schema, nested like its properties."""
    if "default" in schema:
        return copy.deepcopy(schema["default"])
    return {
        key: defaults(part)
        for key, part in schema["properties"].items()
        if "default" in part or "properties" in part
    }


def neutrals(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the keys at the value that they had, in effect, before they existed."""
    found = {}
    for key, part in schema.get("properties", {}).items():
        if "neutral" in part:
            found[key] = copy.deepcopy(part["neutral"])
        elif inner := neutrals(part):
            found[key] = inner
    return found


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` changed by ``overlay``: mappings merge, the rest replaces."""
    merged = dict(base)
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def problems(value: Any, part: str | None = None, prefix: str = "") -> list[str]:
    """Return one message per violation of the schema, ordered by key.

    Args:
        value: what the user wrote, merged over the defaults.
        part: name in the schema's ``$defs`` (method, experiment), or of a section;
            None: the whole.
        prefix: dotted key of ``value`` in the configuration.
    """
    schema, known = load_schema(), (SCHEMA, part, repr(value))
    if known in _VALID:
        return []
    if part is not None:
        schema = schema["$defs"].get(part) or schema["properties"][part]
        schema = schema | {"$defs": load_schema()["$defs"]}
    errors = _validator()(schema).iter_errors(value)
    found = [line for error in errors for line in _messages(error, prefix)]
    if not found:
        _VALID.add(known)
    return sorted(set(found))


_VALID: set[tuple[Any, str | None, str]] = set()
"""What was found valid: most of a configuration is the same methods again."""


@cache
def _validator() -> type:
    from jsonschema import (  # noqa: PLC0415  (slow)
        Draft202012Validator,
        ValidationError,
        validators,
    )

    def is_integer(_: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def is_number(_: Any, value: Any) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)

    def whole(_: Any, pattern: str, text: Any, __: Any) -> Iterator[ValidationError]:
        # re.search would let `$` pass before a last line break.
        if isinstance(text, str) and not re.fullmatch(pattern, text):
            yield ValidationError("pattern")

    checker = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": is_integer, "number": is_number}
    )
    return validators.extend(
        Draft202012Validator, {"pattern": whole}, type_checker=checker
    )


def _messages(error: Any, prefix: str) -> Iterator[str]:
    key = ".".join([prefix, *map(plain, error.absolute_path)]).strip(".")
    dot = f"{key}." if key else ""
    schema = error.schema
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        for name in sorted(set(error.instance) - set(known), key=str):
            new = RENAMED.get(name, "")
            if new.partition(".")[0] in known:
                new = f"{dot}{new}" if "." in new else new
                yield f"{dot}{name} is called {new} now: rename it"
                continue
            yield f"{dot}{name} is an unknown key: {_nearest(str(name), known, dot)}"
    elif error.validator == "required":
        renamed = {RENAMED.get(name) for name in error.instance}
        for name in schema["required"]:
            if name not in error.instance and name not in renamed:
                part = schema["properties"][name]
                yield f"{dot}{name} is missing: set it to {describe(part)}"
    elif "propertyNames" in error.schema_path:
        quoted = "" if isinstance(error.instance, str) else " in quotes"
        yield (
            f"{dot}{plain(error.instance)} is not a possible name: use "
            f"{describe(schema)}{quoted}"
        )
    else:
        yield (
            f"{key} is {error.instance!r}: it must be {describe(schema)}"
            f"{_renamed_hint(error.instance)}{_yaml_hint(error.instance, schema)}"
        )


def plain(name: Any) -> str:
    r"""A name as one line.

    Example:
        >>> plain("a\nb"), plain(3)
        ('a\\nb', '3')
    """
    return repr(str(name))[1:-1]


def _renamed_hint(value: Any) -> str:
    if isinstance(value, str) and value in RENAMED:
        return f" ({value} is called {RENAMED[value]} now)"
    return ""


def _nearest(name: str, known: list[str], dot: str) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {dot}{close[0]}? (allowed here: {', '.join(known)})"
    return f"allowed here are {', '.join(known)}"


def _yaml_hint(value: Any, schema: dict[str, Any]) -> str:
    """Explain YAML 1.1's reading of numbers such as 3e-5 as text."""
    if not isinstance(value, str) or "string" in str(schema.get("type")):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    decimal = f"{number:.12f}".rstrip("0").rstrip(".")
    return f" (YAML reads {value} as text: write {decimal})"


_TYPES = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys",
}

_LIMITS = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "minLength": "of {} or more characters",
    "minProperties": "with {} or more entries",
}


def describe(schema: dict[str, Any]) -> str:
    """Say in words which values a schema allows.

    Example:
        >>> describe({"type": ["integer", "null"], "minimum": 1})
        'an integer >= 1, or null'
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = load_schema()["$defs"][name] | schema
    options = schema.get("anyOf", [])
    types = schema.get("type", [option.get("type") for option in options])
    nullable = ", or null" if "null" in types else ""
    if options:
        others = [option for option in options if option.get("type") != "null"]
        return " or ".join(map(describe, others)) + nullable
    if "pattern" in schema:
        return schema["title"] + nullable
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    types = [types] if isinstance(types, str) else types or ["object"]
    words = " or ".join(_TYPES[name] for name in types if name != "null")
    limits = [
        text.format(schema[key]) for key, text in _LIMITS.items() if key in schema
    ]
    words = " ".join([words, " and ".join(limits)]).strip()
    return f"{words}{_items(schema) if 'array' in types else ''}{nullable}"


def _items(schema: dict[str, Any]) -> str:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    count = f" of {least}" if least == most else f" of at least {least}" * bool(least)
    items = f", each {describe(schema['items'])}" if "items" in schema else ""
    return f"{count}{items}{', without repeats' * bool(schema.get('uniqueItems'))}"
