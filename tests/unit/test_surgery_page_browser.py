"""The page of a patient in headless Chromium, opened from disk as a reader does."""

import io

import numpy as np
import pytest
from PIL import Image

from deeprac.surgery.page.build import page_of, render
from deeprac.surgery.preview import write_preview
from deeprac.surgery.surfaces import surfaces
from support.browser import WEBGL2_ON_CPU, launched
from support.studies import a_study

pytestmark = pytest.mark.browser

LOCAL = ("file:", "data:", "blob:")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patient")
    study = a_study()
    drawn = surfaces(study.anatomy)
    write_preview(study, drawn, folder)
    target = folder / "report.html"
    target.write_text(render(page_of(study, drawn, folder)))
    return target


@pytest.fixture(scope="module")
def chromium():
    with launched(*WEBGL2_ON_CPU) as browser:
        yield browser


def opened(chromium, path, width, script=None):
    """The page, and its requests and complaints."""
    page = chromium.new_page(viewport={"width": width, "height": 900})
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if script:
        page.add_init_script(script)
    page.goto(path.as_uri())
    return page, requests, complaints


@pytest.fixture(scope="module")
def seen(chromium, path):
    page, requests, complaints = opened(chromium, path, 1280)
    for _ in range(200):
        if page.get_attribute("#scene", "data-ready"):
            break
        page.wait_for_timeout(50)
    yield page, requests, complaints
    assert [url for url in requests if not url.startswith(LOCAL)] == []
    assert complaints == []


def picture(page):
    page.wait_for_timeout(300)
    shot = page.locator(".box").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def columns(pixels, colour):
    """Mean column of what is green (the tumour) or reddish (the kidneys), 0 to 1."""
    red, green, _ = pixels.transpose(2, 0, 1)
    found = green > red + 20 if colour == "green" else red > green + 20
    return np.argwhere(found)[:, 1].mean() / pixels.shape[1], found.mean()


def test_surfaces_are_drawn_and_turned(seen):
    page, *_ = seen
    page.click("[data-view=front]")
    # The right kidney has the tumour: to the left as seen from the front.
    front, _ = columns(picture(page), "green")
    page.click("[data-view=behind]")
    behind, _ = columns(picture(page), "green")
    assert front < 0.5 < behind
    page.click("[data-view=front]")


def test_a_structure_can_be_hidden(seen):
    page, *_ = seen
    box = page.get_by_label("Tumour 1 (right)")
    box.uncheck()
    red, green, _ = picture(page).transpose(2, 0, 1)
    assert not (green > red + 20).any()
    box.check()
    _, share = columns(picture(page), "green")
    assert share > 0.01


def test_planes_of_the_ct_and_back(seen):
    page, *_ = seen
    page.click("#ct")
    page.wait_for_timeout(1000)
    pixels = picture(page)
    grey = (np.ptp(pixels, axis=2) < 10) & (pixels.max(axis=2) > 30)
    assert grey.mean() > 0.15
    assert columns(pixels, "green")[1] > 0.005
    page.click("[data-view=front]")
    assert page.get_attribute("#ct", "aria-pressed") == "false"
    again = picture(page)
    grey = (np.ptp(again, axis=2) < 10) & (again.max(axis=2) > 30)
    assert grey.mean() < 0.02


def test_all_pictures_are_drawn(seen):
    page, *_ = seen
    widths = page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
    assert len(widths) == 2
    assert min(widths) > 500


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(chromium, path, width):
    page, *_ = opened(chromium, path, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    size = page.eval_on_selector(
        ".verdict", "e => parseFloat(getComputedStyle(e).fontSize)"
    )
    assert size >= 15
    page.close()


def test_without_webgl_the_rest_is_there(chromium, path):
    script = "HTMLCanvasElement.prototype.getContext = () => null;"
    page, _, complaints = opened(chromium, path, 1280, script)
    assert page.is_visible("#no-webgl")
    assert not page.is_visible("#turn")
    assert page.is_visible(".still img")
    assert complaints == []
    page.close()


def test_printed_on_paper(chromium, path):
    page, *_ = opened(chromium, path, 1280)
    page.emulate_media(media="print")
    assert not page.is_visible("#turn")
    assert page.is_visible(".banner")
    assert len(page.pdf()) > 10_000
    page.close()
