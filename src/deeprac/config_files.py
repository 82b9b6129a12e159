"""Configuration files: read, merged, completed by the defaults, checked key by key.

Defaults are written once, in ``workflow/schemas/config.schema.yaml``.
"""

import copy
import csv
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from deeprac import schema
from deeprac.errors import ConfigError
from deeprac.labels import source_names
from deeprac.shipped import own_or_shipped
from deeprac.strict import TwiceError, parse_json, parse_yaml


def read_raw(paths: list[Path]) -> dict[str, Any]:
    """Read and merge configuration files, unchecked and without defaults."""
    raw: dict[str, Any] = {}
    for path in paths:
        raw = schema.merge(raw, _read_mapping(path, "configuration"))
    return raw


def refuse_twice(arguments: Iterable[str]) -> None:
    """Refuse what Snakemake's ``--config`` gives where it has a key twice.

    Args:
        arguments: each NAME=VALUE; a value that is no YAML is text, and not looked at.

    Raises:
        ConfigError: naming the first such key.
    """
    for argument in arguments:
        name, _, value = argument.partition("=")
        try:
            parse_yaml(value)
        except TwiceError as error:
            raise ConfigError(f"--config {name}: {error}.") from error
        except ValueError:
            continue


def retyped(value: Any) -> Any:
    """Return what Snakemake's ``--config`` gives with numbers as numbers.

    Snakemake reads ``run={folds: [0]}`` as text inside of lists and mappings.

    Args:
        value: one value, a list or a mapping, nested.

    Example:
        >>> retyped({"folds": ["0", "1"], "results": "a: b", "path": "null"})
        {'folds': [0, 1], 'results': 'a: b', 'path': None}
    """
    if isinstance(value, dict):
        return {key: retyped(part) for key, part in value.items()}
    if isinstance(value, list):
        return [retyped(part) for part in value]
    try:
        parsed = parse_yaml(value) if isinstance(value, str) else value
    except ValueError:
        return value  # text that is no YAML
    return parsed if isinstance(parsed, int | float | None) else value


def resolve(raw: dict[str, Any]) -> dict[str, Any]:
    """Fill in defaults, read methods and experiments, and check every key.

    Args:
        raw: what the user wrote; it may be resolved already.

    Returns:
        A plain, JSON-able dictionary with every key; ``Config.from_resolved`` reads it.

    Raises:
        ConfigError: with every offending key, its value and what is allowed.
    """
    resolved = schema.merge(schema.defaults(schema.load_schema()), raw)
    raise_if(schema.problems(resolved))
    methods = _methods(resolved["methods"])
    rows = _experiments(resolved["experiments"])
    claims = read_claims(resolved["report"]["claims"])
    errors = schema.problems(methods, "methods", "methods")
    if not errors:
        errors = _localiser_problems(methods, resolved["localiser"])
    for index, row in enumerate(rows):
        name = schema.plain(row.get("experiment", index))
        errors += schema.problems(row, "experiment", f"experiments.{name}")
    raise_if(errors)
    names = [row["experiment"] for row in rows]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    raise_if([f"experiments: {name} is there twice" for name in twice])
    default = schema.defaults(schema.load_schema()["$defs"]["matrix"])
    matrices = {name: default | one for name, one in resolved["matrices"].items()}
    cohort, run = resolved["cohort"], resolved["run"]
    labels = source_names(cohort["format"], cohort["labels"])
    cohort["labels"] = {title: list(labels[title]) for title in labels}
    if run["experiments"] == "all":
        run["experiments"] = names
    everything = list(range(resolved["splits"]["folds"]))
    run["folds"] = everything if run["folds"] == "all" else sorted(run["folds"])
    report = resolved["report"] | {"claims": claims}
    parts = {"methods": methods, "experiments": rows, "matrices": matrices}
    return resolved | parts | {"report": report}


def read_claims(value: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read claims with all keys, and check each.

    Args:
        value: Path of a YAML or JSON file with the list of them, or the list itself.

    Raises:
        ConfigError: with every offending key, its value and what is allowed.
    """
    key = "report.claims"
    if isinstance(value, str):
        value, key = _parsed(own_or_shipped(Path(value)), key), f"{key}: {value}"
        if not isinstance(value, list):
            raise ConfigError(
                f"{key} must hold a list of claims, not {type(value).__name__}."
            )
    default = schema.defaults(schema.load_schema()["$defs"]["claim"])
    claims = [default | one if isinstance(one, dict) else one for one in value]
    errors: list[str] = []
    for number, claim in enumerate(claims, start=1):
        errors += schema.problems(claim, "claim", f"{key}.{number}")
    raise_if(errors)
    return claims


def _methods(value: str | dict[str, Any]) -> dict[str, Any]:
    methods = (
        _read_mapping(own_or_shipped(Path(value)), "methods")
        if isinstance(value, str)
        else value
    )
    default = schema.defaults(schema.load_schema()["$defs"]["method"])
    return {
        str(name): schema.merge(default, method) if isinstance(method, dict) else method
        for name, method in methods.items()
    }


def _localiser_problems(methods: dict[str, Any], section: dict[str, Any]) -> list[str]:
    return [
        problem
        for name, method in methods.items()
        if method["localiser"]
        for problem in schema.problems(
            section | method["localiser"], "localiser", f"methods.{name}.localiser"
        )
    ]


def _experiments(value: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(value, str):
        lines = _read(own_or_shipped(Path(value)), "experiments").splitlines()
        reader = csv.DictReader(lines, delimiter="\t", restkey="(too many columns)")
        rows = list(reader)
        if not rows:
            raise ConfigError(f"experiments: {value} has no rows. Add at least one.")
        columns = list(reader.fieldnames or ())
        for name in columns:
            if columns.count(name) > 1:
                raise ConfigError(
                    f"experiments: {value} has the column {name!r} twice, in line 1. "
                    "Keep one."
                )
    else:
        rows = value
    default = schema.defaults(schema.load_schema()["$defs"]["experiment"])
    return [default | _typed(row) for row in rows]


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """Read an empty cell of a text table as null and its counts as numbers."""
    row = {key: None if value == "" else value for key, value in row.items()}
    for key in ("training_patients", "epochs"):
        count = row.get(key)
        if isinstance(count, str) and re.fullmatch(r"\d{1,9}", count):
            row[key] = int(count)
    return row


def _read(path: str | Path, key: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{key}: cannot read {path} ({error}). Paths are relative to the working "
            f"directory {Path.cwd()}."
        ) from error


def _parsed(path: str | Path, key: str) -> Any:
    text = _read(path, key)
    kind = "JSON" if Path(path).suffix == ".json" else "YAML"
    try:
        return copy.deepcopy(_content(text, kind))
    except TwiceError as error:
        raise ConfigError(f"{key}: {path}: {error}.") from error
    except ValueError as error:
        raise ConfigError(f"{key}: {path} is not valid {kind}: {error}") from error


@lru_cache(maxsize=64)
def _content(text: str, kind: str) -> Any:
    """What a file holds; reading the shipped methods takes longer than all else."""
    # YAML 1.1 would read JSON's 3e-05 as text.
    return parse_json(text) if kind == "JSON" else parse_yaml(text)


def _read_mapping(path: str | Path, key: str) -> dict[str, Any]:
    content = _parsed(path, key)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{key}: {path} must hold a mapping of keys, not {type(content).__name__}."
        )
    return content


def raise_if(errors: list[str]) -> None:
    """Raise all errors as one.

    Raises:
        ConfigError: there is an error; several are listed line by line.
    """
    if not errors:
        return
    several = f"{len(errors)} keys are wrong:\n" + "\n".join(f"  {e}" for e in errors)
    raise ConfigError(errors[0] if len(errors) == 1 else several)
