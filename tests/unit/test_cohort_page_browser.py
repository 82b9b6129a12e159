"""The page of a cohort's check in headless Chromium, opened from disk."""

import pytest
import yaml

from deeprac.cli import main
from support.browser import launched

pytestmark = pytest.mark.browser

LOCAL = ("file:", "data:")


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The page of six small phantoms."""
    folder = tmp_path_factory.mktemp("check")
    changes = {
        "results": str(folder),
        "cohort": {
            "name": "six",
            "phantom": {"cases": 6, "matrix": 48, "slice_spacing_mm": [14, 16]},
        },
        "splits": {"folds": 5},
    }
    path = folder / "six.yaml"
    path.write_text(yaml.safe_dump(changes))
    assert main(["cohort", "check", str(path)]) == 0
    return folder / "six" / "cohort" / "check" / "report.html"


@pytest.fixture(scope="module")
def seen(checked):
    """Requests, messages and errors of a visit, and the page."""
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        requests, complaints = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(checked.as_uri())
        yield page, requests, complaints


def test_it_opens_without_network_and_complaints(seen):
    page, requests, complaints = seen
    assert page.title() == "DeePRAC cohort check: six"
    assert [url for url in requests if not url.startswith(LOCAL)] == []
    assert complaints == []


def test_all_pictures_are_drawn(seen):
    page, *_ = seen
    widths = page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
    assert len(widths) == 1 + 6
    assert min(widths) > 0


def test_styles_are_allowed_by_their_hashes(seen):
    page, *_ = seen
    style = "e => getComputedStyle(e)"
    verdict = page.eval_on_selector(".verdict", f"{style}.borderTopStyle")
    assert verdict.startswith("solid")


def test_nothing_is_wider_than_the_window(seen):
    page, *_ = seen
    for width in (1280, 500):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
