"""Headless Chromium for pages that are opened from disk, as a reader does."""

import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
if CHROMIUM is None:
    pytest.skip("no Chromium on the PATH", allow_module_level=True)

sync_api = pytest.importorskip("playwright.sync_api")

WEBGL2_ON_CPU = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@contextmanager
def launched(*arguments):
    """A browser with these arguments beside what every machine needs."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *arguments]
        )
        yield browser
        browser.close()
