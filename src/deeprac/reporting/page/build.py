"""From a document to the bytes of one HTML file."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from deeprac.reporting.page.document import Document, PageTable

PACKAGE = "deeprac.reporting.page"
SCRIPTS = (
    "vendor/tabulator.min.js",
    "vendor/niivue.umd.js",
    "vendor/d3-array.min.js",
    "vendor/d3-contour.min.js",
    "static/tables.js",
    "static/browser.js",
    "static/page.js",
)
STYLES = ("vendor/tabulator_simple.min.css", "static/page.css")
SOURCE_MAP = re.compile(r"(//# sourceMappingURL=\S+|/\*# sourceMappingURL=.*?\*/)\s*$")

TABS = {
    "answers": "Answers",
    "overview": "Overview",
    "cohort": "Cohort",
    "results": "Results",
    "statistics": "Statistics",
    "cases": "Cases",
    "figures": "Figures",
    "browser": "Case browser",
    "failures": "Failures",
    "cost": "Cost",
}
"""Tabs of the page, in their order."""


def render(document: Document) -> str:
    """The page: equal documents give equal text, and nothing is loaded from outside.

    Scripts and styles are allowed by their hashes alone, so that text from a cohort or
    a configuration can never run, whatever it holds.
    """
    scripts = [asset(name) for name in SCRIPTS]
    styles = [asset(name) for name in STYLES]
    return template(PACKAGE, "page.html.j2").render(
        document=document,
        tabs=TABS,
        policy=policy(scripts, styles),
        scripts=[Markup(script) for script in scripts],
        styles=[Markup(style) for style in styles],
        vendored=vendored(SCRIPTS + STYLES),
        tables=[
            (table.name, script_json(_table_data(table)))
            for tables in document.tables.values()
            for table in tables
        ],
        browser=script_json(_browser_data(document)),
        volumes=[script_json(asdict(case)) for case in document.browser.cases],
        data_uri=lambda text, kind: data_uri(text.encode(), kind),
    )


def template(package: str, name: str) -> Template:
    """A template of a package: every text is escaped, every name must be known."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


@cache
def asset(name: str) -> str:
    """A script or style of this package, without its pointer to a file beside it."""
    text = files(PACKAGE).joinpath(name).read_text(encoding="utf-8")
    return SOURCE_MAP.sub("", text)


def policy(scripts: list[str], styles: list[str]) -> str:
    """Content security policy of a page with these scripts and styles.

    Tabulator sets widths as style attributes, hence style-src-attr; NiiVue reads its
    fonts from data URIs.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {hashes(scripts)}",
            f"style-src-elem {hashes(styles)}",
            "style-src-attr 'unsafe-inline'",
            "img-src data: blob:",
            "connect-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def hashes(texts: list[str]) -> str:
    """Sources of a content security policy that allow these texts alone."""
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests)


def script_json(content: Any) -> Markup:
    """JSON that is safe inside a script element: no ``<`` can end it."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _table_data(table: PageTable) -> dict[str, Any]:
    return {
        "name": table.name,
        "csv": table.csv,
        "opens": table.opens,
        "tall": table.tall,
        "parts": [grid for _, grid in table.grids],
    }


def _browser_data(document: Document) -> dict[str, Any]:
    """All of the case browser but its volumes, which have elements of their own."""
    content = asdict(document.browser)
    content["cases"] = [case.case for case in document.browser.cases]
    return content


def vendored(assets: Sequence[str]) -> list[dict[str, str]]:
    """The packages whose code is among these assets, with their licences."""
    vendor = files(PACKAGE).joinpath("vendor")
    entries = json.loads(vendor.joinpath("vendor.json").read_text(encoding="utf-8"))
    used = [entry for entry in entries if f"vendor/{entry['file']}" in assets]
    packages = {entry["package"]: entry for entry in used}
    for entry in packages.values():
        licences = [vendor.joinpath(name) for name in entry["licence_files"]]
        entry["text"] = "\n".join(text.read_text(encoding="utf-8") for text in licences)
    return list(packages.values())


def data_uri(content: bytes, kind: str) -> str:
    """The content of a file, by its media type, as the address of itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
