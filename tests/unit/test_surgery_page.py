"""The page of a patient: what it says, that it loads nothing, and where things lie."""

import base64
import gzip
import re
import struct
from dataclasses import replace
from html.parser import HTMLParser

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure
from deeprac.surgery.flags import Flag, Verdict
from deeprac.surgery.page import content
from deeprac.surgery.page.build import page_of, render
from deeprac.surgery.page.viewer import mz3, small_volumes, viewer
from deeprac.surgery.surfaces import surfaces
from support.page_tree import EVIL, PIXEL
from support.studies import (
    FLAG,
    MEASURES,
    PROTOCOL,
    TUMOUR,
    a_study,
    an_anatomy,
    boxes,
    lps_grid,
)

RAS = np.array([-1, -1, 1])
NO_PROTOCOL = {"protocol": None}


def page(folder, study=None):
    """A page whose pictures have one pixel."""
    study = study or a_study(boxes())
    for name in ("tumour_1", "surfaces"):
        (folder / f"{name}.png").write_bytes(PIXEL)
    return page_of(study, surfaces(study.anatomy), folder)


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return render(page(tmp_path_factory.mktemp("page")))


def without_scripts(text):
    return re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_it_begins_with_the_notice_the_verdict_and_the_flags(html):
    order = [
        html.index(text)
        for text in (
            "Research software, not a medical device.",
            "Look at what the flags name",
            "3 kidneys were found.",
            "<h2>Measures</h2>",
            "<h2>Thresholds of the protocol</h2>",
            "<h2>Planes</h2>",
            "<h2>Surfaces</h2>",
            "<h2>What post-processing changed</h2>",
            "<h2>How it was made</h2>",
        )
    ]
    assert order == sorted(order)
    assert "Found: 3. Limit: 2. Look at the planes." in html


def test_nothing_is_loaded_and_nothing_runs_that_is_not_ours(html):
    outside = without_scripts(html)
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?!data:)[^\"'\s>]", outside)
    assert "url(" not in outside.split("</style>")[-1]
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src &#39;none&#39;")
    assert "http" not in policy
    assert len(re.findall("sha256-", policy)) == 4


def test_it_is_html(html):
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img", "br", "input"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    reader = Tags()
    reader.feed(html)
    assert reader.open == []


def test_texts_are_text(tmp_path):
    script, end, image, attribute = EVIL
    study = a_study(
        boxes(),
        measures=MEASURES.assign(definition=script, citation=end),
        protocol=PROTOCOL.assign(statement=image),
        provenance={attribute: script},
        flags=(Flag("x", Verdict.LOOK, script, image),),
    )
    text = without_scripts(render(page(tmp_path, study)))
    assert "<script" not in text
    assert "onerror='" not in text
    assert text.count("&lt;script&gt;window.evil = 1&lt;/script&gt;") == 8


def test_equal_studies_give_equal_pages(tmp_path):
    assert render(page(tmp_path)) == render(page(tmp_path))


def test_measures_by_structure_rounded_for_people(tmp_path):
    groups = page(tmp_path).measures
    assert list(groups) == [
        "Left kidney", "Right kidney", "Tumour 1 (right)", "All together"
    ]  # fmt: skip
    volume, diameter = groups["Tumour 1 (right)"]
    assert (volume.name, volume.value, volume.unit) == ("Volume", "7", "ml")
    assert (diameter.name, diameter.value) == ("Diameter 3d", "24")
    hilum = groups["All together"][1]
    assert (hilum.value, hilum.unit, hilum.definition) == (
        "-", "", "not measured, not segmented",
    )  # fmt: skip


def test_texts_as_values_are_shown_as_they_are():
    table = MEASURES.astype({"value": object})
    table.loc[0, "value"] = "left"
    rows = content.measures(a_study(boxes(), measures=table))["Left kidney"]
    assert rows[0].value == "left"


def test_no_protocol_no_thresholds(tmp_path):
    text = render(page(tmp_path, a_study(boxes(), **NO_PROTOCOL)))
    assert "Thresholds of the protocol" not in text


def test_tables_in_words():
    headings, lines = content.grid(PROTOCOL)
    assert headings[:4] == ["Measure", "Value", "Comparison", "Threshold"]
    assert lines[0][:4] == ["Tumour volume ml", "7", "<", "300"]
    assert content.grid(pd.DataFrame(columns=["a_b"])) == (["A b"], [])


def test_flags_come_the_worst_first():
    worse = Flag("x", Verdict.DO_NOT_USE, "y", "z")
    assert content.worst_first((FLAG, worse, FLAG)) == (worse, FLAG, FLAG)


def test_pictures_that_do_not_fit_are_counted(tmp_path):
    many = tuple(Structure(n, Kind.TUMOUR, BodySide.LEFT, n) for n in range(1, 4))
    anatomy = boxes()
    study = a_study(
        Anatomy(anatomy.numbers, anatomy.grid, many), image=False, protocol=None
    )
    for one in many:
        (tmp_path / f"{one.name}.png").write_bytes(bytes(2_000_000))
    made = page_of(study, surfaces(study.anatomy), tmp_path)
    assert [picture.title for picture in made.planes] == ["Tumour 1 (left)"]
    assert made.left_out == 2
    assert made.surfaces is None
    assert "2 smaller structures have no planes" in render(made)


def decoded(text):
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))


@pytest.mark.parametrize("tilt_deg", [0, 8])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_convention_ct_and_labels_lie_where_the_source_does(tilt_deg, factor):
    # Columns and rows 6 to 11 are whole blocks of 2 and of 3 pixels.
    grid = lps_grid(tilt_deg, (27, 18, 16), (0.8, 0.9, 2.5))
    numbers = np.zeros((16, 18, 27), np.uint8)
    numbers[4:9, 6:12, 6:12] = TUMOUR.number
    expected = (grid.lps_from_voxel_mm @ [8.5, 8.5, 6, 1]) * RAS
    # Bright, so that the CT itself tells where it is.
    bright = np.where(numbers, 440, -360).astype(np.float32)
    study = replace(a_study(Anatomy(numbers, grid, (TUMOUR,))), image=bright)
    limit = 10**9
    for _ in range(factor):
        small = small_volumes(study, limit)
        limit = len(small.ct) - 1
    assert small.factor == factor
    ct = decoded(small.ct)
    shares = (ct.get_fdata() + 360) / 800
    weights = shares / shares.sum()
    indices = [(weights * grid).sum() for grid in np.indices(ct.shape)]
    found = ct.affine @ [*indices, 1]
    np.testing.assert_allclose(found[:3], expected, atol=0.01)
    np.testing.assert_allclose(small.middle_mm, expected, atol=0.01)
    labels = decoded(small.labels)
    index = np.argwhere(np.asarray(labels.dataobj) == 3).mean(axis=0)
    off = np.linalg.solve(labels.affine, [*expected, 1])[:3] - index
    # One pixel stands for a block: its middle, or the one after it.
    assert np.abs(off[:2]).max() * factor <= 0.5 + 1e-3
    assert off[2] == pytest.approx(0, abs=1e-3)


def test_shrunk_until_it_fits():
    study = a_study()
    sizes = [len(small_volumes(study, limit).ct) for limit in (10**9, 90_000, 30_000)]
    assert sizes[0] > 90_000 >= sizes[1] > 30_000 >= sizes[2]


def test_without_a_ct_there_are_surfaces_only():
    study = a_study(boxes(), image=False)
    made = viewer(study, surfaces(study.anatomy))
    assert made.volumes is None
    assert [one["name"] for one in made.surfaces] == [
        "kidney_left", "kidney_right", "tumour_1",
    ]  # fmt: skip
    assert made.surfaces[2]["colour"] == (144, 238, 144)
    assert made.surfaces[2]["title"] == "Tumour 1 (right)"


def test_convention_mz3_is_ras():
    surface = surfaces(boxes(8))[2]
    data = gzip.decompress(mz3(surface.points_mm, surface.triangles))
    magic, kind, faces, points, skip = struct.unpack("<HHIII", data[:16])
    assert (magic, kind, skip) == (23117, 3, 0)
    triangles = np.frombuffer(data, "<i4", 3 * faces, 16).reshape(-1, 3)
    np.testing.assert_array_equal(triangles, surface.triangles)
    found = np.frombuffer(data, "<f4", 3 * points, 16 + 12 * faces).reshape(-1, 3)
    np.testing.assert_allclose(found, surface.points_mm * RAS, atol=1e-3)
    # Turning about the head's axis keeps the outside outside.
    a, b, c = (found[corner] for corner in triangles.T)
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0


def test_triangles_are_shared_out(monkeypatch):
    monkeypatch.setattr("deeprac.surgery.page.viewer.TRIANGLES", 4000)
    study = a_study(an_anatomy(lps_grid()), image=False)
    drawn = surfaces(study.anatomy)
    made = viewer(study, drawn)
    counts = []
    for one in made.surfaces:
        data = gzip.decompress(base64.b64decode(one["file"]))
        counts.append(struct.unpack("<I", data[4:8])[0])
    assert sum(counts) == pytest.approx(4000, rel=0.05)
    total = sum(len(surface.triangles) for surface in drawn)
    shares = [len(surface.triangles) / total for surface in drawn]
    np.testing.assert_allclose(np.array(counts) / 4000, shares, atol=0.03)
