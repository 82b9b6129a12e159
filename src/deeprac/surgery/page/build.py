"""From a patient's content to the bytes of one HTML file."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files as resources
from pathlib import Path

from markupsafe import Markup

from deeprac import files
from deeprac.reporting.page.build import (
    asset,
    data_uri,
    policy,
    script_json,
    template,
    vendored,
)
from deeprac.surgery.flags import overall
from deeprac.surgery.page import content
from deeprac.surgery.page.content import Page, Picture
from deeprac.surgery.page.viewer import viewer
from deeprac.surgery.preview import SURFACES, pictured
from deeprac.surgery.result import NOTICE
from deeprac.surgery.study import Study
from deeprac.surgery.surfaces import Surface
from deeprac.surgery.terminology import title

PACKAGE = "deeprac.surgery.page"
NIIVUE = "vendor/niivue.umd.js"

PICTURE_BYTES = 3_000_000
"""Of all planes on the page at most, before base64; at least one is shown."""


def write_page(
    study: Study, surfaces: Sequence[Surface], preview: Path, target: Path
) -> None:
    """Write the page of a patient.

    Args:
        study: the patient.
        surfaces: of all structures.
        preview: folder of the pictures.
        target: the file.
    """
    files.write_text(target, render(page_of(study, surfaces, preview)))


def page_of(study: Study, surfaces: Sequence[Surface], preview: Path) -> Page:
    """The content of the page."""
    shown = pictured(study.anatomy)
    planes: list[Picture] = []
    left = PICTURE_BYTES
    for structure in shown:
        png = (preview / f"{structure.name}.png").read_bytes()
        left -= len(png)
        if planes and left < 0:
            break
        planes.append(Picture(title(structure), data_uri(png, "image/png")))
    drawn = preview / f"{SURFACES}.png"
    same_kind = study.anatomy.of_kind(shown[0].kind) if shown else ()
    return Page(
        verdict=overall(study.flags),
        flags=content.worst_first(study.flags),
        measures=content.measures(study),
        protocol=None if study.protocol is None else content.grid(study.protocol),
        changes=content.grid(study.changes),
        planes=tuple(planes),
        left_out=len(same_kind) - len(planes),
        surfaces=Picture("Surfaces", data_uri(drawn.read_bytes(), "image/png"))
        if drawn.exists()
        else None,
        viewer=viewer(study, surfaces),
        facts=content.facts(study.provenance),
    )


def render(page: Page) -> str:
    """The page as HTML: equal content gives equal text, nothing is loaded."""
    own = resources(PACKAGE).joinpath("static")
    styles = [
        asset("static/page.css"),
        own.joinpath("patient.css").read_text(encoding="utf-8"),
    ]
    scripts = [asset(NIIVUE), own.joinpath("viewer.js").read_text(encoding="utf-8")]
    return template(PACKAGE, "patient.html.j2").render(
        page=page,
        notice=NOTICE,
        policy=policy(scripts, styles),
        styles=[Markup(style) for style in styles],
        scripts=[Markup(script) for script in scripts],
        surfaces=script_json(page.viewer.surfaces),
        volumes=script_json(page.viewer.volumes and asdict(page.viewer.volumes)),
        vendored=vendored([NIIVUE]),
    )
