"""From a check to its page and pictures on disk."""

from collections.abc import Mapping
from importlib.resources import files as resources

from markupsafe import Markup

from deeprac import files
from deeprac.cohort.check import Check
from deeprac.cohort.inspection import KidneySlice, slice_path
from deeprac.config import Config
from deeprac.labels import CYST
from deeprac.layout import Layout
from deeprac.reporting.canvas import unit, window_text
from deeprac.reporting.cohort_page import content
from deeprac.reporting.cohort_page.content import Page
from deeprac.reporting.cohort_page.pictures import histograms, png, svg_uri
from deeprac.reporting.page.build import asset, data_uri, hashes, template
from deeprac.reporting.style import CONTOURS

PACKAGE = "deeprac.reporting.cohort_page"


def write_page(check: Check, config: Config, layout: Layout) -> None:
    """Write the slices of all cases as pictures, and the page with the first of them.

    Args:
        check: what was found.
        config: names the cohort and the window of the pictures.
        layout: where the check keeps slices and writes its page.
    """
    window, folder = config.figures.window_hu, layout.check / "slices"
    pictures: dict[str, bytes] = {}
    written = set()
    for case in content.worst_first(check):
        middle = KidneySlice.read(slice_path(layout.check, case.case))
        picture = png(middle, window)
        path = folder / f"{case.case}.png"
        files.write_bytes(path, picture)
        written.add(path)
        if len(pictures) < content.MOST_PICTURES:
            pictures[case.case] = picture
    for path in set(folder.glob("*.png")) - written:
        path.unlink()  # of a case that is no more
    files.write_text(layout.check_page, render(page_of(check, config, pictures)))


def page_of(check: Check, config: Config, pictures: Mapping[str, bytes]) -> Page:
    """The content of the page, which says nothing of the machine."""
    uris = {name: data_uri(png_, "image/png") for name, png_ in pictures.items()}
    drawn = histograms(check.readable, unit=unit(config))
    return Page(
        cohort=config.cohort.name,
        check=check.without_paths(config.cohort),
        histograms=svg_uri(drawn) if check.readable else "",
        pictures=uris,
        window=window_text(config),
        contours=tuple(
            style
            for number, style in CONTOURS.items()
            if number != CYST or any(case.cyst_ml for case in check.readable)
        ),
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
        content=content,
        policy=policy,
        styles=[Markup(style) for style in styles],
    )
