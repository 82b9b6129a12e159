"""The sections of the configuration as frozen dataclasses, one module per concern.

The schema has checked names, types and ranges; the constructors check what one key of
a section says about another.
"""

from deeprac.errors import ConfigError


def require_order(
    key: str, pair: tuple[float, float], first: str, *, equal: bool = True
) -> None:
    """Refuse a smallest and a largest value that are the wrong way round.

    Args:
        key: dotted key of the pair.
        pair: smallest and largest value.
        first: what comes first, as the message calls it.
        equal: whether both may be the same.

    Raises:
        ConfigError: naming the key and both values.
    """
    smallest, largest = pair
    if smallest > largest or (smallest == largest and not equal):
        raise ConfigError(
            f"{key} is [{smallest}, {largest}]: the {first} comes first. Swap the two."
        )
