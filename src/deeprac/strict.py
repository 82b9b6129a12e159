"""JSON and YAML that people write, read strictly: no mapping has a key twice.

Parsers take the last of two values without a word. That swaps kidney and tumour, or
trains for another number of epochs than the one that was read.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"
_JSON_TOKEN = re.compile(
    r'(?P<text>"[^"\\]*(?:\\.[^"\\]*)*")(?P<key>\s*:)?|(?P<open>[{\[])|(?P<close>[}\]])'
)


class TwiceError(ValueError):
    """A mapping has a key twice.

    Attributes:
        key: the key as it is written.
        lines: the lines of both, counted from 1.
        within: the keys of the mappings around it, outermost first; empty for YAML.
    """

    def __init__(self, key: Any, lines: tuple[int, int], within: tuple = ()) -> None:
        """Take the key and where it stands."""
        self.key, self.lines, self.within = key, lines, within
        super().__init__(f"{key!r} is there twice, in {self.where}; keep one")

    @property
    def where(self) -> str:
        """The lines in words."""
        first, second = self.lines
        return f"line {first}" if first == second else f"lines {first} and {second}"


def parse_json(text: str) -> Any:
    """Read JSON.

    Raises:
        TwiceError: a key is there twice.
        ValueError: the text is not JSON, which has no NaN or infinity either, or is
            nested too deeply.

    Example:
        >>> parse_json('{"kidney": 1, "kidney": 2}')
        Traceback (most recent call last):
        deeprac.strict.TwiceError: 'kidney' is there twice, in line 1; keep one
    """
    text = text.removeprefix("\ufeff")
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    # Valid from here on, so a string before a colon is a key of the innermost mapping.
    around: list[dict[str, int]] = []
    for token in _JSON_TOKEN.finditer(text):
        if token["open"]:
            around.append({})
        elif token["close"]:
            around.pop()
        elif token["key"]:
            key, start = json.loads(token["text"]), token.start()
            if (first := around[-1].setdefault(key, start)) != start:
                lines = text.count("\n", 0, first) + 1, text.count("\n", 0, start) + 1
                within = tuple(next(reversed(keys)) for keys in around[:-1] if keys)
                raise TwiceError(key, lines, within)
    return content


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def parse_yaml(text: str) -> Any:
    """Read YAML 1.1, plain values only.

    Raises:
        TwiceError: a key is there twice.
        ValueError: the text is not YAML.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses keys twice before merges (``<<``) add those that give way."""

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        for mapping in _mappings(node):
            self._refuse_twice(mapping)
        return node

    def _refuse_twice(self, mapping: yaml.MappingNode) -> None:
        lines: dict[Any, int] = {}
        for key_node, _ in mapping.value:
            if isinstance(key_node, yaml.ScalarNode):
                is_merge = key_node.tag == _MERGE
                # 1, 0x1 and true are one key of the mapping that comes of it.
                key = "<<" if is_merge else self.construct_object(key_node)
                line = key_node.start_mark.line + 1
                if key in lines:
                    raise TwiceError(key, (lines[key], line))
                lines[key] = line


def _mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """All mappings below a node, in the order in which they are written."""
    waiting, seen = [node], set()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
            continue
        seen.add(id(node))  # an alias is the node itself
        if isinstance(node, yaml.MappingNode):
            yield node
            waiting += [part for pair in reversed(node.value) for part in pair[::-1]]
        else:
            waiting += reversed(node.value)
