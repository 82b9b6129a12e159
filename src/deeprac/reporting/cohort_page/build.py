"""From a check to its page and pictures on disk."""

import base64
from collections.abc import Mapping
from importlib.resources import files as resources
from pathlib import Path

from markupsafe import Markup

from deeprac import files
from deeprac.cohort.check import Check
from deeprac.cohort.findings import Severity
from deeprac.cohort.inspection import KidneySlice, slice_path
from deeprac.config import Config
from deeprac.labels import CYST
from deeprac.layout import Layout
from deeprac.reporting.canvas import unit, window_text
from deeprac.reporting.cohort_page import content
from deeprac.reporting.cohort_page.content import Page
from deeprac.reporting.cohort_page.histograms import histograms, svg_uri
from deeprac.reporting.cohort_page.thumbnails import png
from deeprac.reporting.page.build import asset, hashes, template
from deeprac.reporting.style import CONTOURS

PACKAGE = "deeprac.reporting.cohort_page"


def write_page(check: Check, config: Config, layout: Layout) -> None:
    """Write the slices of all cases as pictures, and the page with the first of them.

    Args:
        check: what was found.
        config: names the cohort and the window of the pictures.
        layout: where the check keeps slices and writes its page.
    """
    pictures = write_pictures(check, layout.check, config.figures.window_hu)
    page = page_of(check, config, pictures)
    files.write_text(layout.check_page, render(page))


def write_pictures(
    check: Check, folder: Path, window: tuple[float, float]
) -> dict[str, bytes]:
    """Draw the slices of all cases that can be read, and forget all others.

    Returns:
        PNG by case, cases with findings first; not more than the page can hold.
    """
    shown: dict[str, bytes] = {}
    written = set()
    for case in content.worst_first(check):
        picture = png(KidneySlice.read(slice_path(folder, case.case)), window)
        path = folder / "slices" / f"{case.case}.png"
        files.write_bytes(path, picture)
        written.add(path)
        if len(shown) < content.MOST_PICTURES:
            shown[case.case] = picture
    for path in (folder / "slices").glob("*.png"):
        if path not in written:
            path.unlink()
    return shown


def page_of(check: Check, config: Config, pictures: Mapping[str, bytes]) -> Page:
    """The content of the page, which says nothing of the machine."""
    check = check.without_paths(config.cohort)
    uris = {
        name: f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        for name, picture in pictures.items()
    }
    drawn = histograms(check.readable, unit=unit(config))
    return Page(
        cohort=config.cohort.name,
        verdict=content.verdict(check),
        stops=bool(content.count(check, Severity.ERROR)),
        extent=content.extent(check),
        problems=content.problems(check),
        histograms=svg_uri(drawn) if check.readable else "",
        pictures=content.pictures(check, uris),
        left_out=len(check.readable) - len(uris),
        window=window_text(config),
        contours=tuple(
            style
            for number, style in CONTOURS.items()
            if number != CYST or any(case.cyst_ml for case in check.readable)
        ),
        rows=content.rows(check),
    )


def render(page: Page) -> str:
    """The page as HTML: no scripts, nothing from elsewhere, every text escaped."""
    own = resources(PACKAGE).joinpath("static/cohort.css").read_text(encoding="utf-8")
    styles = [asset("static/page.css"), own]
    policy = (
        f"default-src 'none'; style-src {hashes(styles)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return template(PACKAGE, "cohort.html.j2").render(
        page=page,
        heads=content.HEADS,
        words=content.WORDS,
        policy=policy,
        styles=[Markup(style) for style in styles],
    )
