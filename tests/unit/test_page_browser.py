"""The report page in headless Chromium, opened from disk as a reader does."""

import io
import re
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from PIL import Image

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.evaluation.statistics.patients import in_order
from deeprac.layout import Layout
from deeprac.reporting import formats
from deeprac.reporting.page.build import TABS, render
from deeprac.reporting.page.volumes import encode
from support.browser import WEBGL2_ON_CPU, launched
from support.page_tree import (
    EVIL,
    SIZE,
    SPACING_MM,
    browser_of,
    document,
    write_results,
)

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("few_resamples")]

KIDNEY_BLUE = (0x00, 0x96, 0xFF)
TUMOUR_ORANGE = (0xE6, 0x61, 0x00)
LOCAL = ("file:", "data:", "blob:")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    path = write_results(tmp_path_factory.mktemp("browser"))
    assert main(["report", "--config", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def layout(results):
    return Layout.of(load_config([results]))


@pytest.fixture(scope="module")
def chromium():
    with launched(*WEBGL2_ON_CPU) as browser:
        yield browser


@contextmanager
def opened(chromium, path, *, script=None, width=1280):
    """A page whose every request, message and error is looked at in the end."""
    context = chromium.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    seen = {"requests": [], "complaints": []}
    page.on("request", lambda request: seen["requests"].append(request.url))
    page.on("pageerror", lambda error: seen["complaints"].append(str(error)))
    page.on("console", lambda message: seen["complaints"].append(message.text))
    page.on("dialog", lambda dialog: seen["complaints"].append(dialog.message))
    if script:
        page.add_init_script(script)
    page.goto(path.as_uri())
    yield page
    context.close()
    assert not [url for url in seen["requests"] if not url.startswith(LOCAL)]
    assert not seen["complaints"]


@pytest.fixture(scope="module")
def shared_page(chromium, layout):
    with opened(chromium, layout.report) as page:
        yield page


@pytest.fixture
def page(shared_page):
    """The page in its first tab; opening it anew for every test takes too long."""
    show(shared_page, "overview")
    return shared_page


def show(page, tab):
    page.click(f"#tab-{tab}")
    page.wait_for_selector(f"#{tab}:not([hidden])")


def write(field, text):
    """Type into a filter as a reader does: Tabulator waits for a pause of the keys."""
    field.fill("")
    field.press_sequentially(text)
    field.page.wait_for_timeout(400)
    field.blur()


def until(page, condition):
    """Wait for a condition; Playwright's own wait is what the page's policy forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {condition}")


def show_browser(page, case="case000", experiment="coarse_nnunet"):
    """The case browser with everything as at first."""
    show(page, "browser")
    until(page, "Browser.state.volume !== null")
    page.select_option("#method-1", experiment)
    page.select_option("#method-2", "")
    for box in page.query_selector_all("#contour-rows input"):
        box.check()
    page.click("#presets button >> nth=0")
    page.select_option("#case", case)
    until(page, f"Browser.state.volume.case === '{case}'")


def cells(page, table, column):
    """Shown texts of a column of a table by its number, from top to bottom."""
    selector = (
        f".grid[data-table='{table}'][data-part='0'] .tabulator-row "
        f".tabulator-cell[tabulator-field='c{column}']"
    )
    return page.eval_on_selector_all(selector, "all => all.map(e => e.innerText)")


def titles(page, table):
    columns = page.evaluate(
        "name => JSON.parse(document.getElementById(`data-${name}`).textContent)"
        ".parts[0].columns.map(column => column.title)",
        table,
    )
    return {title: index for index, title in enumerate(columns)}


def all_rows(page, table):
    """Texts of all rows, also of those that are not in view, in the shown order."""
    until(page, f"Tables.ofTable('{table}')[0]?.initialized")
    return page.evaluate(
        "name => Tables.ofTable(name)[0].getData('active')"
        ".map(row => Object.keys(row).filter(key => /^c[0-9]+$/.test(key))"
        ".map(key => row[key]))",
        table,
    )


def stage(page):
    """Picture of the stage: NiiVue's canvas and the contours above it."""
    content = page.locator("#stage").screenshot()
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def where(picture, colour, *, tolerance=24):
    """Rows and columns of the pixels of a colour."""
    return np.argwhere(np.abs(picture - colour).max(axis=2) <= tolerance)


# --- tabs -----------------------------------------------------------------------------


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_opens_alone(page, tab):
    show(page, tab)
    visible = page.eval_on_selector_all(
        "[role=tabpanel]:not([hidden])", "all => all.map(e => e.id)"
    )
    assert visible == [tab]
    assert page.get_attribute(f"#tab-{tab}", "aria-selected") == "true"
    assert page.inner_text(f"#{tab}").strip()


def test_keys_move_between_tabs(page):
    page.focus("#tab-answers")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#overview")
    page.keyboard.press("End")
    assert page.is_visible("#cost")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#answers")
    assert page.evaluate("document.activeElement.id") == "tab-answers"


def test_an_address_opens_its_tab(chromium, layout):
    path = layout.report
    with opened(chromium, path) as page:
        page.goto(f"{path.as_uri()}#figure-memory")
        assert page.is_visible("#figures")


NARROWEST_NUMBERS = 180
"""Pixels that are left for numbers beside the columns that stay in view."""


@pytest.mark.parametrize("width", [390, 800])
def test_a_narrow_window_scrolls_inside_tables_only(chromium, layout, width):
    with opened(chromium, layout.report, width=width) as page:
        for tab in TABS:
            show(page, tab)
            page.wait_for_timeout(100)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
            widths = page.eval_on_selector_all(
                "[role=tabpanel]:not([hidden]) .tabulator:has(.tabulator-frozen)",
                "all => all.map(e => e.parentElement.clientWidth - "
                "[...e.querySelectorAll("
                "'.tabulator-header .tabulator-frozen')].reduce("
                "(sum, head) => sum + head.offsetWidth, 0))",
            )
            assert all(left >= NARROWEST_NUMBERS for left in widths), tab


@pytest.mark.parametrize(("width", "first"), [(390, 0), (1440, 1)])
def test_axe_finds_nothing_grave(chromium, layout, width, first):
    """Roles, names and labels that a screen reader needs, every tab at one width."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
    ).Axe()
    with opened(chromium, layout.report, width=width) as page:
        for tab in list(TABS)[first::2]:
            show(page, tab)
            page.wait_for_timeout(200)
            found = axe.run(page).response["violations"]
            grave = [
                (one["id"], one["nodes"][0]["html"])
                for one in found
                if one["impact"] in ("critical", "serious")
            ]
            assert not grave, tab


# --- tables ---------------------------------------------------------------------------


def test_the_paper_table_shows_the_numbers_of_its_file(page, layout):
    show(page, "results")
    table = pd.read_csv(layout.tables / "all.csv")
    shown = all_rows(page, "all")
    expected = [
        formats.mean_sd(row.kidney_dice_mean, row.kidney_dice_training_sd)
        for row in table.itertuples()
    ]
    assert len(shown) == len(table) == 3
    for texts, dice, time in zip(shown, expected, table.training_seconds, strict=True):
        assert dice in texts
        assert formats.duration(time) in texts


def test_the_case_table_shows_the_numbers_of_its_file(page, layout):
    show(page, "cases")
    cases = in_order(pd.read_csv(layout.summary_cases))
    index = titles(page, "cases")
    rows = all_rows(page, "cases")
    for title, values, form in (
        ("Dice, %", cases.dice, formats.percent),
        ("HD95, mm", cases.hd95_mm, lambda v: f"{v:.2f}"),
        ("Volume, ml", cases.volume_ml, lambda v: f"{v:.1f}"),
    ):
        expected = [formats.MISSING if np.isnan(v) else form(v) for v in values]
        assert [row[index[title]] for row in rows] == expected
    in_view = cells(page, "cases", index["Dice, %"])
    assert in_view == [row[index["Dice, %"]] for row in rows][: len(in_view)]


def test_the_cohort_table_shows_the_numbers_of_its_file(page):
    show(page, "cohort")
    row = next(r for r in all_rows(page, "cohort") if r[0] == "Slice spacing, mm")
    assert row[1:] == ["4", *[f"{SPACING_MM[2]:g}"] * 3]


def test_a_click_on_a_heading_sorts_by_the_full_values(page, layout):
    show(page, "cases")
    column = titles(page, "cases")["HD95, mm"]
    heading = page.locator(
        f".grid[data-table='cases'] .tabulator-col[tabulator-field='c{column}'] "
        ".tabulator-col-title"
    )
    values = pd.read_csv(layout.summary_cases).hd95_mm
    assert values.isna().any(), "the missing values are to be sorted too"
    missing = [formats.MISSING] * values.isna().sum()
    for ascending in (True, False):
        heading.click()
        ordered = values.dropna().sort_values(ascending=ascending)
        shown = [row[column] for row in all_rows(page, "cases")]
        assert shown == [f"{v:.2f}" for v in ordered] + missing
    page.evaluate("Tables.ofTable('cases')[0].clearSort()")


def test_keys_sort_as_a_click_does(page, layout):
    show(page, "cases")
    column = titles(page, "cases")["Dice, %"]
    heading = page.locator(
        f".grid[data-table='cases'] .tabulator-col[tabulator-field='c{column}']"
    )
    dice = pd.read_csv(layout.summary_cases).dice.dropna()
    for key, state in (("Enter", "ascending"), (" ", "descending")):
        heading.focus()
        page.keyboard.press(key)
        assert heading.get_attribute("aria-sort") == state
        ordered = dice.sort_values(ascending=state == "ascending")
        shown = [row[column] for row in all_rows(page, "cases")][: len(dice)]
        assert shown == [formats.percent(v) for v in ordered]
    page.evaluate("Tables.ofTable('cases')[0].clearSort()")


def test_a_bar_is_as_wide_as_its_share(page):
    show(page, "cases")
    column = titles(page, "cases")["Dice, %"]
    cell = page.locator(
        f".grid[data-table='cases'] .tabulator-cell[tabulator-field='c{column}']"
    ).first
    share = cell.evaluate("e => parseFloat(e.style.getPropertyValue('--share'))")
    assert share == pytest.approx(float(cell.inner_text()), abs=0.005)


def test_columns_without_values_are_downloaded_but_not_shown(page):
    show(page, "cases")
    column = titles(page, "cases")["Precision, %"]
    data = page.evaluate(
        "JSON.parse(document.getElementById('data-cases').textContent).parts[0].columns"
    )
    for index, entry in enumerate(data):
        visible = page.evaluate(
            f"Tables.ofTable('cases')[0].getColumn('c{index}').isVisible()"
        )
        assert visible == (not entry["empty"])
    assert not data[column]["empty"]


def test_heading_filters_leave_the_wanted_rows(page, layout):
    show(page, "cases")
    cases = in_order(pd.read_csv(layout.summary_cases))
    index = titles(page, "cases")

    def fill(title, wanted):
        field = f"[tabulator-field='c{index[title]}'] .tabulator-header-filter input"
        write(page.locator(f".grid[data-table='cases'] {field}"), wanted)

    fill("Case", "case001")
    fill("Dice, %", "<90")
    wanted = cases[(cases.case == "case001") & (100 * cases.dice < 90)]
    assert 0 < len(wanted) < len(cases)
    until(
        page,
        "document.querySelector('.shown[data-table=cases]')"
        f".textContent.startsWith('{len(wanted)} of')",
    )
    shown = [row[index["Dice, %"]] for row in all_rows(page, "cases")]
    assert shown == [formats.percent(v) for v in wanted.dice]
    button = page.locator(".download[data-table='cases']")
    assert button.inner_text() == f"Download cases.csv (the {len(wanted)} rows shown)"
    assert len(pd.read_csv(io.StringIO(saved(page, "cases")))) == len(wanted)
    page.evaluate("Tables.ofTable('cases')[0].clearHeaderFilter()")
    until(
        page,
        "document.querySelector('.download[data-table=cases]').textContent"
        " === 'Download cases.csv'",
    )


def test_one_field_filters_a_small_table(page):
    show(page, "results")
    page.fill(".search[data-table='all']", "crop")
    until(page, "Tables.ofTable('all')[0].getDataCount('active') === 1")
    button = page.locator(".download[data-table='all']")
    assert button.inner_text() == "Download all.csv (all rows, unfiltered)"
    page.fill(".search[data-table='all']", "")
    until(page, "Tables.ofTable('all')[0].getDataCount('active') === 3")


def saved(page, table):
    with page.expect_download() as download:
        page.click(f".download[data-table='{table}']")
    return download.value.path().read_text(encoding="utf-8-sig")


def test_the_downloaded_cases_are_those_of_the_file(page, layout):
    show(page, "cases")
    key = ["experiment", "fold", "seed", "case", "label"]
    rows = pd.read_csv(io.StringIO(saved(page, "cases"))).sort_values(key)
    expected = pd.read_csv(layout.summary_cases).sort_values(key)
    assert set(expected) - set(rows) == {"schema", "cohort"}, "one value each"
    pd.testing.assert_frame_equal(
        rows.reset_index(drop=True),
        expected[list(rows)].reset_index(drop=True),
        check_exact=True,
        check_dtype=False,
    )


def test_a_downloaded_table_is_the_file(page, layout):
    show(page, "results")
    assert saved(page, "table1") == (layout.tables / "table1.csv").read_text()


# --- case browser ---------------------------------------------------------------------


@pytest.mark.parametrize("move", ["wheel", "key", "slider", "back"])
def test_the_slice_changes(page, move):
    show_browser(page)
    before, text = stage(page), page.inner_text("#slice-text")
    if move == "wheel":
        page.hover("#stage")
        page.mouse.wheel(0, 120)
    elif move == "key":
        page.press("#stage", "ArrowUp")
    elif move == "back":
        page.press("#stage", "ArrowDown")
    else:
        page.fill("#slice", "1")
    after = page.inner_text("#slice-text")
    number, was = int(after.split()[0]), int(text.split()[0])
    assert number == {"slider": 1, "back": was - 1}.get(move, was + 1)
    assert (stage(page) != before).any()


def frame_of(picture):
    """Pixels per mm and corner of the slice on the stage, fitted and centred."""
    height, width = picture.shape[:2]
    size_mm = SIZE[0] * SPACING_MM[1], SIZE[1] * SPACING_MM[0]
    scale = min(height / size_mm[0], width / size_mm[1])
    corner = (height - scale * size_mm[0]) / 2, (width - scale * size_mm[1]) / 2
    return scale, np.array(corner)


def expected_box(layout, picture, z, label):
    """Edges of a label's voxels on the stage: first and last row, column."""
    path = layout.labels / "case000.nii.gz"
    found = np.argwhere(sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[z] == label)
    scale, corner = frame_of(picture)
    edges = np.array([found.min(0), found.max(0) + 1]) * SPACING_MM[1::-1]
    return edges * scale + corner


@pytest.mark.parametrize(("label", "colour"), [(1, KIDNEY_BLUE), (2, TUMOUR_ORANGE)])
def test_contours_are_where_the_reference_is(page, layout, label, colour):
    show_browser(page)
    page.select_option("#method-1", "")
    picture = stage(page)
    z = int(page.inner_text("#slice-text").split()[0]) - 1
    painted = where(picture, colour)
    box = np.array([painted.min(0), painted.max(0) + 1])
    pixel = frame_of(picture)[0] * max(SPACING_MM[:2])
    np.testing.assert_allclose(
        box, expected_box(layout, picture, z, label), atol=0.5 * pixel + 2
    )


def test_the_picture_lies_below_the_contours_with_the_patients_left_to_the_right(
    page, layout
):
    show_browser(page)
    for box in page.query_selector_all("#contour-rows input"):
        box.uncheck()
    picture = stage(page)
    z = int(page.inner_text("#slice-text").split()[0]) - 1
    labels, image = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[z]
        for path in (
            layout.labels / "case000.nii.gz",
            layout.images / "case000_0000.nii.gz",
        )
    )
    scale, corner = frame_of(picture)
    tumour = np.argwhere(labels == 2)
    assert tumour[:, 1].mean() > SIZE[1] / 2, "x grows to the patient's left"
    for label in (1, 2):
        voxels = np.argwhere(labels == label)
        rows, columns = ((voxels + 0.5) * SPACING_MM[1::-1] * scale + corner).T
        shown = picture[rows.astype(int), columns.astype(int)].mean()
        low, high = -160, 240
        hu = image[labels == label].clip(low, high).mean()
        assert shown == pytest.approx(255 * (hu - low) / (high - low), abs=6)


def test_boxes_and_methods_choose_the_contours(page):
    show_browser(page)
    page.select_option("#method-1", "")
    assert len(where(stage(page), KIDNEY_BLUE))
    page.uncheck("#show-0-kidney")
    picture = stage(page)
    assert not len(where(picture, KIDNEY_BLUE))
    assert len(where(picture, TUMOUR_ORANGE))
    page.select_option("#method-1", "fine_stn_crop")
    assert len(where(stage(page), (0x00, 0xF0, 0xFF)))
    assert "STN" in page.inner_text("#dice-rows")
    page.select_option("#method-2", "coarse_nnunet")
    assert len(where(stage(page), (0x9C, 0xFF, 0x7A)))


def test_zoom_enlarges_picture_and_contours_alike(page):
    show_browser(page)
    page.select_option("#method-1", "")
    before = where(stage(page), TUMOUR_ORANGE)
    page.check("#zoom")
    picture = stage(page)
    after = where(picture, TUMOUR_ORANGE)
    page.uncheck("#zoom")
    assert (np.ptp(after, axis=0) > 1.1 * np.ptp(before, axis=0)).all()
    row, column = (after.min(0) + after.max(0)) // 2
    centre = picture[row - 8 : row + 9, column - 8 : column + 9].mean()
    assert centre == pytest.approx(255 * (75 + 160) / 400, abs=8), "tumour: 75 HU"


def test_paper_gets_plain_tables(page, layout):
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    table = page.locator("#block-all .printed").first
    rows = pd.read_csv(layout.tables / "all.csv")
    assert table.locator("tr").count() == 1 + len(rows)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".printed").count() == 0


def test_the_window_changes(page):
    show_browser(page)
    page.select_option("#method-1", "")
    before = stage(page)
    page.click("#presets button >> nth=2")
    assert page.input_value("#width") == "800"
    wider = stage(page)
    assert (wider != before).any()
    page.fill("#level", "300")
    page.press("#level", "Enter")
    assert stage(page).mean() < wider.mean()


def test_case_and_table_lead_to_each_other(page):
    show_browser(page, case="case002")
    page.click("#show-rows")
    assert page.is_visible("#cases")
    index = titles(page, "cases")["Case"]
    until(page, "Tables.ofTable('cases')[0].getDataCount('active') === 9")
    assert {row[index] for row in all_rows(page, "cases")} == {"case002"}
    page.evaluate("Tables.ofTable('cases')[0].clearHeaderFilter()")


def test_a_failure_opens_its_case(page, layout):
    show(page, "failures")
    rows = all_rows(page, "failures")
    index = titles(page, "failures")
    (missed,) = [i for i, row in enumerate(rows) if "missed" in row[0]]
    assert rows[missed][index["Case"]] == "case000"
    assert rows[missed][index["Label"]] == "tumour"
    page.click(f".grid[data-table='failures'] .open-case >> nth={missed}")
    until(page, "Browser.state.volume?.case === 'case000'")
    assert page.is_visible("#browser")
    assert "STN pose-size" in rows[missed][index["Method"]], "words and no identifier"
    assert page.input_value("#case") == "case000"
    assert page.input_value("#method-1") == "coarse_stn"
    assert "0.00" in page.inner_text("#dice-rows")


def test_without_webgl2_the_browser_says_so_and_the_rest_works(chromium, layout):
    script = (
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "return kind === 'webgl2' ? null : get.call(this, kind, ...rest); };"
    )
    with opened(chromium, layout.report, script=script) as page:
        show(page, "browser")
        assert "WebGL2" in page.inner_text("#browser")
        assert page.is_hidden("#viewer")
        show(page, "cases")
        assert all_rows(page, "cases")


# --- other pages ----------------------------------------------------------------------


def test_a_page_without_volumes_says_why(chromium, tmp_path):
    path = tmp_path / "released.html"
    path.write_text(render(document(names=("no CT",))), encoding="utf-8")
    with opened(chromium, path) as page:
        show(page, "browser")
        assert "no CT" in page.inner_text("#browser")
        show(page, "cases")
        assert page.locator(".open-case").count() == 0


def test_names_are_text_and_never_run(chromium, tmp_path):
    volume = encode(np.ones((2, 2, 2), np.uint8), (1.0, 1.0, 1.0))
    path = tmp_path / "evil.html"
    content = document(names=EVIL, browser=browser_of(EVIL, volume))
    path.write_text(render(content), encoding="utf-8")
    with opened(chromium, path) as page:
        for tab in TABS:
            show(page, tab)
            if tab == "cases":
                assert [row[0] for row in all_rows(page, "cases")] == list(EVIL)
                write(page.locator(".tabulator-header-filter input").first, "<img")
                until(page, "Tables.ofTable('cases')[0].getDataCount('active') === 1")
        show(page, "browser")
        until(page, "Browser.state.volume !== null")
        for name in EVIL:
            page.select_option("#case", name)
            page.select_option("#method-1", name)
            assert name in page.inner_text("#dice-rows")
        assert page.evaluate("typeof window.evil") == "undefined"
        assert re.search(r"<script>window\.evil", page.inner_text("h1"))
