import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from deeprac.cohort.check import Check, write_tables
from deeprac.cohort.consistency import WHOLE
from deeprac.cohort.findings import Finding, Severity
from deeprac.cohort.inspection import KidneySlice, slice_path
from deeprac.config import load_config
from deeprac.labels import CYST, Label
from deeprac.layout import Layout
from deeprac.reporting.cohort_page import content
from deeprac.reporting.cohort_page.build import page_of, render, write_page
from deeprac.reporting.cohort_page.pictures import (
    PANELS,
    SMALLEST,
    draw,
    histograms,
    png,
    svg_uri,
)
from deeprac.reporting.style import CONTOURS
from support.cohort_builders import inspection

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ERROR, WARNING, REPAIRED, NOTE = Severity
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def config(monkeypatch):
    monkeypatch.chdir(ROOT)
    return load_config([ROOT / "config" / "demo.yaml"])


def finding(severity, check="check", message="what was found"):
    return Finding(severity, check, message)


def check_of(cases, **findings) -> Check:
    """A check of cases by name, with what was found in some of them."""
    whole = findings.pop("whole", ())
    return Check(
        inspections=cases,
        findings={name: findings.get(name, ()) for name in cases} | {WHOLE: whole},
    )


def mixed() -> Check:
    """A good case, one each that is noted, doubted and refused; too few patients."""
    return check_of(
        {
            "good": inspection("good"),
            "noted": inspection("noted", patient="patient of good", tumour_ml=0.0),
            "bad": None,
            "doubted": inspection("doubted", age_years=None),
        },
        noted=(finding(NOTE, "series", "a choice"), finding(NOTE, "series", "another")),
        bad=(finding(ERROR, "file"), finding(WARNING, "padding", "a doubt")),
        doubted=(finding(WARNING, "padding", "a doubt"),),
        whole=(finding(ERROR, "folds", "too few patients"),),
    )


def text_of(html) -> str:
    """What a reader sees, without markup and styles."""
    body = html.partition("<body>")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def test_cases_patients_and_findings_are_counted():
    assert content.extent(mixed()) == (
        "4 cases (1 of them unreadable)",
        "2 patients, 2 with tumour",
        "2 errors",
        "2 warnings",
        "0 repairs",
        "2 notes",
    )


def test_findings_stand_by_severity_the_worst_first_and_alike_ones_together():
    groups = content.problems(mixed())
    assert [group.heading for group in groups] == ["2 errors", "2 warnings", "2 notes"]
    errors, warnings, notes = (group.rows for group in groups)
    assert [(row.check, row.cases) for row in errors] == [
        ("file", ("bad",)),
        ("folds", ("the cohort",)),
    ]
    assert [(row.message, row.cases) for row in warnings] == [
        ("a doubt", ("bad", "doubted"))
    ]
    assert [row.message for row in notes] == ["a choice", "another"]


def test_the_verdict_says_what_to_do():
    fine = check_of({"a": inspection()})
    doubted = check_of({"a": inspection()}, a=(finding(WARNING),))
    assert content.verdict(mixed()).startswith("There are errors: 1 of 4 cases cannot")
    assert "Look at the warnings" in content.verdict(doubted)
    assert content.verdict(fine) == "There are no errors and no warnings."


def test_cases_with_findings_are_pictured_first():
    order = [case.case for case in content.worst_first(mixed())]
    assert order == ["doubted", "noted", "good"]


def test_the_table_has_a_row_for_every_case():
    rows = {row[0]: row for row in content.rows(mixed())}
    assert {len(row) for row in rows.values()} == {len(content.HEADS)}
    assert rows["good"][1:7] == (
        *("patient of good", "", "12 x 9 x 5", "0.8 x 0.8 x 3", "LPS", "4.5"),
    )
    assert rows["good"][7:] == (
        *("left", "110.0", "40.0", "0.0", "-1000, 20, 300", "150"),
    )
    assert rows["doubted"][6] == "-"
    assert rows["bad"][:3] == ("bad", "", "error, warning")
    assert set(rows["bad"][3:]) == {""}


def test_the_page_says_everything_and_what_it_cannot_say(config):
    text = text_of(render(page_of(mixed(), config, {"doubted": b"png"})))
    for words in (
        *("DeePRAC cohort check demo", "2 errors", "too few patients.", "a doubt."),
        *("bad, doubted", "the cohort", "12 x 9 x 5", "tumour left, 40 ml"),
        *("names or dates burned into the pixels, and faces", "-160 to 240 HU"),
        *("1 cases are shown; the other 2 are in the folder slices",),
    ):
        assert words in text, words


def test_a_cohort_without_usable_case_has_a_page(config):
    check = check_of({"a": None, "b": None}, a=(finding(ERROR),), b=(finding(ERROR),))
    text = text_of(render(page_of(check, config, {})))
    assert "2 of 2 cases cannot be used" in text
    assert "Slices through" not in text


def test_text_of_a_cohort_is_escaped_and_no_script_can_run(config):
    check = check_of(
        {"a": inspection("a", patient=EVIL, side=EVIL)},
        a=(finding(WARNING, EVIL, EVIL),),
    )
    html = render(page_of(check, config, {"a": b"png"}))
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)") >= 4
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert "default-src &#39;none&#39;" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy


def test_the_page_says_nothing_of_the_machine(config, tmp_path):
    """Whatever a finding says, of a library or of ours."""
    home = tmp_path / "Doe Jane"
    cohort = replace(
        config.cohort,
        path=home / "ct",
        patients=Path("../Doe Jane/patients.csv"),
        private=home / "private",
    )
    lines = (
        f"a file cannot be read (I/O error; see {home}/private/demo/messages.log)",
        f'ITK: "{home}/ct/a/the image": cut short',
        "../Doe Jane/patients.csv: a line is empty",
        "/home/Doe/lib/python3/nrrd.py, line 3",
        "spacing 0.8 x 0.8 mm and/or 3/4 of it",
    )
    found = tuple(finding(WARNING, message=line) for line in lines)
    check = check_of({"a": inspection()}, a=found)
    told = [
        problem.message
        for group in page_of(check, replace(config, cohort=cohort), {}).problems
        for problem in group.rows
    ]
    place = "(a path on the machine)"
    assert told == [
        f"a file cannot be read (I/O error; see {place})",
        f'ITK: "{place} image": cut short',
        f"{place}: a line is empty",
        f"{place}, line 3",
        lines[-1],
    ]
    write_tables(check.without_paths(cohort), tmp_path)
    assert "Doe" not in (tmp_path / "problems.csv").read_text()


def test_nothing_is_loaded_from_elsewhere(config):
    html = render(page_of(mixed(), config, {"good": b"png"}))
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', html)
    assert sources
    assert all(source.startswith("data:image/") for source in sources)


def test_equal_checks_give_equal_pages(config):
    one, two = (render(page_of(mixed(), config, {"good": b"p"})) for _ in range(2))
    assert one == two


def test_the_legend_has_cysts_where_the_cohort_has_them(config):
    def legend(**changes):
        page = page_of(check_of({"a": inspection(**changes)}), config, {})
        return [contour.title for contour in page.contours]

    assert legend() == ["kidney", "tumour"]
    assert legend(cyst_ml=2.0) == ["kidney", "tumour", "cyst"]


def keep_slices(check, layout):
    label = np.zeros((9, 12), np.uint8)
    label[4:6, 7:10] = Label.KIDNEY
    for case in check.readable:
        middle = KidneySlice(np.zeros((9, 12), np.float32), label)
        middle.write(slice_path(layout.check, case.case))


def test_the_page_holds_the_first_pictures_and_the_folder_all(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(content, "MOST_PICTURES", 2)
    layout = Layout(tmp_path)
    check = mixed()
    keep_slices(check, layout)
    stranger = layout.check / "slices" / "earlier.png"
    stranger.parent.mkdir()
    stranger.touch()
    write_page(check, config, layout)
    html = layout.check_page.read_text(encoding="utf-8")
    assert html.count("data:image/png") == 2
    assert "2 cases are shown; the other 1 are" in text_of(html)
    assert sorted(path.name for path in stranger.parent.iterdir()) == [
        *("doubted.png", "good.png", "noted.png"),
    ]


def test_a_picture_has_its_window_and_the_rim_of_every_label():
    image = np.full((200, 300), 40.0, np.float32)
    image[0, :2] = -1000, 1000
    label = np.zeros(image.shape, np.uint8)
    corners = {Label.KIDNEY: (20, 30), Label.TUMOUR: (90, 200), CYST: (150, 40)}
    for number, (y, x) in corners.items():
        label[y : y + 5, x : x + 7] = number
    picture = draw(KidneySlice(image, label), (-160, 240))
    assert picture.shape == (200, 300, 3)
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[0, 1].tolist() == [1, 1, 1]
    for number, (y, x) in corners.items():
        colour = pytest.approx(to_rgb(CONTOURS[number].reference))
        assert tuple(picture[y, x]) == colour
        assert tuple(picture[y + 4, x + 6]) == colour
        assert tuple(picture[y + 1, x + 1]) == pytest.approx((0.5, 0.5, 0.5))
        assert tuple(picture[y - 1, x]) == pytest.approx((0.5, 0.5, 0.5))


def test_small_slices_are_enlarged():
    picture = draw(
        KidneySlice(np.zeros((48, 64)), np.zeros((48, 64), np.uint8)), (0, 1)
    )
    assert picture.shape == (144, 192, 3)
    assert max(picture.shape) >= SMALLEST


def test_equal_slices_give_equal_files():
    middle = KidneySlice(np.zeros((9, 12)), np.ones((9, 12), np.uint8))
    assert png(middle, (0, 1)) == png(middle, (0, 1))
    assert png(middle, (0, 1)).startswith(b"\x89PNG")


def bars(ax):
    return [patch.get_height() for patch in ax.patches]


def test_histograms_count_the_cases_whose_value_is_known():
    cases = [
        inspection("a", tumour_ml=0.0, age_years=None),
        inspection("b", spacing_z_mm=5.0, age_years=None),
        inspection("c", age_years=None),
    ]
    axes = dict(
        zip(
            (panel.title for panel in PANELS),
            histograms(cases, unit="HU").axes,
            strict=True,
        )
    )
    assert bars(axes["Slice spacing"]) == [2, 0, 0, 0, 1]
    assert bars(axes["Tumour"]) == [2]
    assert axes["Tumour"].get_title(loc="left") == "Tumour, n = 2"
    assert axes["Age"].texts[0].get_text() == "not known"
    assert bars(axes["Age"]) == []
    assert axes["Median in the kidney"].get_xlabel() == "HU"
    left, right = axes["Extent, left to right"].get_xlim()
    assert left < 12 * 0.8 < right
    left, right = axes["Extent, head to foot"].get_xlim()
    assert left < 5 * 3.0 < 5 * 5.0 < right


def test_equal_histograms_give_equal_text():
    one, two = (svg_uri(histograms([inspection()], unit="HU")) for _ in range(2))
    assert one == two
