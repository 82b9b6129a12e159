"""Files of the repository that the package reads.

Users find and edit them in the checkout; a wheel holds copies (``setup.py``), so that
the package runs without one.
"""

from pathlib import Path

_COPIES = Path(__file__).parent / "copies"
_ROOT = _COPIES if _COPIES.is_dir() else Path(__file__).parents[2]


def shipped(name: str) -> Path:
    """Path of a file of the repository, by its path there.

    Example:
        >>> shipped("config/methods.yaml").name
        'methods.yaml'
    """
    return _ROOT / name


def own_or_shipped(path: Path) -> Path:
    """A file of the working directory; where it has none, ours of that very name."""
    ours = shipped(path.as_posix())
    return ours if not path.exists() and ours.is_file() else path
