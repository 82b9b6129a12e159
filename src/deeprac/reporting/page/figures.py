"""The figures of the page: smallest file, caption, data."""

from pathlib import Path

from docutils.core import publish_parts

from deeprac.errors import MetricsError
from deeprac.reporting import captions
from deeprac.reporting.page.build import data_uri
from deeprac.reporting.page.document import PageFigure

KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
SAFE_RST = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "halt_level": 2,
    "report_level": 5,
}


def embed(folder: Path, name: str, *, title: str, caption: str) -> PageFigure:
    """Read a figure of the folder of figures.

    Args:
        folder: Holds ``{name}.svg``, ``{name}.png`` and ``{name}.csv``.
        name: File name.
        title: What it shows.
        caption: Name of its caption in ``workflow/report``.

    Raises:
        MetricsError: A file is missing.
    """
    files = {suffix: folder / f"{name}{suffix}" for suffix in (*KINDS, ".csv")}
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise MetricsError(
            f"A figure is missing: {', '.join(missing)}. Run `deeprac figures`."
        )
    suffix = min(KINDS, key=lambda kind: files[kind].stat().st_size)
    return PageFigure(
        name=name,
        title=title,
        uri=data_uri(files[suffix].read_bytes(), KINDS[suffix]),
        caption=caption_html(captions.caption(caption)),
        csv=files[".csv"].read_text(encoding="utf-8"),
    )


def caption_html(text: str) -> str:
    """A caption in reStructuredText as HTML; it can include no file and no raw HTML."""
    return publish_parts(text, writer="html5", settings_overrides=SAFE_RST)["body"]
