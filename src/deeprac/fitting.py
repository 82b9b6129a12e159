"""Which inputs a U-Net that halves its input can take. Sides are in pixels."""

from collections.abc import Sequence

PLANE, SPACE = 2, 3
"""Dimensions of slices and of volumes."""


def dimensions_of(size: int | Sequence[int]) -> int:
    """Return the dimension of what has a side, or these sides.

    Example:
        >>> dimensions_of(512), dimensions_of([32, 48, 48])
        (2, 3)
    """
    return PLANE if isinstance(size, int) else len(size)


def halvings(side: float, min_feature_map: int) -> int:
    """Return how often a U-Net halves a side.

    It is halved while the half still has ``min_feature_map`` pixels.

    Example:
        >>> halvings(128, 4)
        5
    """
    times = 0
    while side / 2 ** (times + 1) >= min_feature_map:
        times += 1
    return times


def every_side(size: int | Sequence[int]) -> tuple[int, ...]:
    """Return the sides that a size stands for: height and width where it is one side.

    Example:
        >>> every_side(512), every_side([192, 384])
        ((512, 512), (192, 384))
    """
    return (size,) * PLANE if isinstance(size, int) else tuple(size)


def fits(side: float, min_feature_map: int) -> bool:
    """Say whether a U-Net can halve a side at least once, each time evenly."""
    if side != round(side) or side < 2 * min_feature_map:
        return False
    return round(side) % 2 ** halvings(side, min_feature_map) == 0


def size_text(size: int | Sequence[int]) -> str:
    """Return a side, or the sides of a planned patch or a volume, as one word.

    Example:
        >>> size_text(512), size_text([384, 320])
        ('512', '384x320')
    """
    return str(size) if isinstance(size, int) else "x".join(str(side) for side in size)


def why_not(size: float, min_feature_map: int) -> str:
    """Say why a size does not fit, as the end of a sentence."""
    if size != round(size):
        return "is not a whole number"
    if size < 2 * min_feature_map:
        return (
            f"is too small for the network (network.min_feature_map "
            f"{min_feature_map} asks for at least {2 * min_feature_map})"
        )
    return f"cannot be halved evenly {halvings(size, min_feature_map)} times"


def nearest_fit(size: float, min_feature_map: int) -> int:
    """Return the size nearest to ``size`` that fits."""
    start = max(round(size), 2 * min_feature_map)
    candidates = range(2 * min_feature_map, 2 * start + 1)
    return min(
        (option for option in candidates if fits(option, min_feature_map)),
        key=lambda option: abs(option - size),
    )
