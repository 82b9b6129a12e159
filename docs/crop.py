"""Write the tables and the figure of docs/crop.md from the released geometry.

    PYTHONPATH=src python docs/crop.py

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from deeprac.reporting.render import markdown
from deeprac.reporting.tables.table import Table
from deeprac.reporting.window_figure import draw_geometry
from deeprac.reporting.window_geometry import (
    ceilings_table,
    read_geometry,
    windows_table,
)

DOCS = Path(__file__).parent
PAGE = DOCS / "crop.md"
FIGURE = DOCS / "images" / "crop_geometry.png"
WIDTH_PX = 1250
COLOURS = 256
RELEASE = DOCS.parent / "resources" / "released" / "kits23_geometry"

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return the page with every table as the release has it."""
    tables = read_geometry(RELEASE)
    makers: dict[str, Callable[[], Table]] = {
        "windows": lambda: windows_table(tables["windows"]),
        "wider": lambda: windows_table(tables["windows"], margin=0.15),
        "ceilings": lambda: ceilings_table(tables["ceilings"]),
    }

    def replaced(block: re.Match[str]) -> str:
        start, name, end = block.groups()
        return f"{start}\n{markdown(makers[name]()).strip()}\n\n{end}"

    return _BLOCK.sub(replaced, text)


def draw() -> None:
    """Draw the figure of the page, small."""
    with TemporaryDirectory() as folder:
        draw_geometry(RELEASE, Path(folder, FIGURE.stem))
        with Image.open(Path(folder, FIGURE.name)) as drawn:
            size = WIDTH_PX, round(drawn.height * WIDTH_PX / drawn.width)
            picture = drawn.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    picture.quantize(COLOURS).save(FIGURE, optimize=True)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    draw()
