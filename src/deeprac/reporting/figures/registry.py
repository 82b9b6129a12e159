"""What draws each figure of the catalogue: ``make`` of the module with its name."""

from collections.abc import Callable
from importlib import import_module

from deeprac.reporting.figures.catalogue import CATALOGUE
from deeprac.reporting.figures.drawing import Drawing
from deeprac.reporting.summary import Summary

FIGURES: dict[str, Callable[[Summary], list[Drawing]]] = {
    name: import_module(f"deeprac.reporting.figures.{name}").make for name in CATALOGUE
}
"""``overlays`` draws one figure per matrix, ``overlays_{matrix}``; the others one."""
