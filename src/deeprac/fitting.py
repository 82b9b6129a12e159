"""Which inputs a U-Net that halves its input can take. Sides are in pixels."""

from collections.abc import Sequence


def unet_stages(input_size: float, min_feature_map: int) -> int:
    """Return the number of resolutions of a U-Net on a square input.

    The input is halved while the half still has ``min_feature_map`` pixels.

    Example:
        >>> unet_stages(128, 4)
        6
    """
    stages = 1
    while input_size / 2**stages >= min_feature_map:
        stages += 1
    return stages


def fits(input_size: float, min_feature_map: int) -> bool:
    """Say whether a U-Net can halve its input at least once, each time evenly."""
    if input_size != round(input_size) or input_size < 2 * min_feature_map:
        return False
    return round(input_size) % 2 ** (unet_stages(input_size, min_feature_map) - 1) == 0


def size_text(size: int | Sequence[int]) -> str:
    """Return a side, or the height and width of a planned patch, as one word.

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
    halvings = unet_stages(size, min_feature_map) - 1
    return f"cannot be halved evenly {halvings} times"


def nearest_fit(size: float, min_feature_map: int) -> int:
    """Return the size nearest to ``size`` that fits."""
    start = max(round(size), 2 * min_feature_map)
    candidates = range(2 * min_feature_map, 2 * start + 1)
    return min(
        (option for option in candidates if fits(option, min_feature_map)),
        key=lambda option: abs(option - size),
    )
