"""Drawing CT slices: window, contours, sides, scale bar."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from deeprac.config import Config
from deeprac.reporting.style import FAINT, contours

Extent = tuple[float, float, float, float]
MARK: dict[str, Any] = {"color": "white", "fontsize": 6.5, "fontweight": "bold"}


def show(
    image: NDArray, window: tuple[float, float], *, extent: Extent, ax: Axes
) -> Axes:
    """Draw a slice in grey with its window.

    Args:
        image: ``(h, w)``.
        window: Values drawn black and white.
        extent: ``(left, right, bottom, top)`` in the axis' unit, edges of the pixels.
        ax: Where to draw; its frame and ticks are removed.
    """
    low, high = window
    ax.imshow(
        image, cmap="gray", vmin=low, vmax=high, extent=extent, aspect="equal",
        interpolation="nearest",
    )  # fmt: skip
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return ax


def contour(
    mask: NDArray, colour: str, *, extent: Extent, ax: Axes, dashed: bool = False
) -> None:
    """Outline of a mask (or of shares, at 0.5); nothing where it is empty."""
    if not (mask.min() < 0.5 <= mask.max()):
        return
    ax.contour(
        mask, [0.5], colors=colour, extent=extent, origin="upper",
        linewidths=0.9 if dashed else 1.6, linestyles="--" if dashed else "-",
    )  # fmt: skip


def mark_sides(ax: Axes) -> None:
    """Letters for the patient's right (left in the picture) and left."""
    for letter, x, side in (("R", 0.02, "left"), ("L", 0.98, "right")):
        ax.text(x, 0.5, letter, transform=ax.transAxes, ha=side, va="center", **MARK)


def scale_bar(length_mm: float, *, ax: Axes) -> None:
    """Bar at the lower right of axes whose unit is mm."""
    left, right = sorted(ax.get_xlim())
    low, high = sorted(ax.get_ylim())
    x = right - 0.04 * (right - left)
    y = high - 0.05 * (high - low)
    ax.plot([x - length_mm, x], [y, y], color="white", linewidth=2.2)
    ax.text(
        x - length_mm / 2, y - 0.02 * (high - low), f"{length_mm:g} mm", ha="center",
        va="bottom", **MARK,
    )  # fmt: skip


def legend(figure: Figure, config: Config, *, prediction: bool) -> None:
    """Legend of the contours on a dark ground, where the tints can be seen.

    Args:
        figure: Where to draw.
        config: Says which labels the cohort keeps.
        prediction: Whether predictions are drawn too.
    """
    handles = []
    for style in contours(config).values():
        name = f"{style.title}, reference"
        handles.append(Line2D([], [], color=style.reference, lw=1.6, label=name))
        if prediction:
            look = {"color": style.prediction, "lw": 1.2, "ls": "--"}
            name = f"{style.title}, prediction"
            handles.append(Line2D([], [], label=name, **look))
    cysts = config.cohort.kept_labels.cysts
    columns = 3 if cysts else len(handles)  # six names are wider than the page
    figure.legend(
        handles=handles, loc="outside upper center", ncols=columns,
        facecolor="0.3", labelcolor="white", edgecolor=FAINT, framealpha=1,
    )  # fmt: skip


def window_text(config: Config) -> str:
    """The display window with its unit."""
    low, high = config.figures.window_hu
    return f"Window {low:g} to {high:g} {unit(config)}"


def unit(config: Config) -> str:
    """Unit of the cohort's intensities."""
    return "HU" if config.cohort.intensity == "hu" else "grey values (not HU)"
