"""Every table of cohorts made by hand: readable, complete, and LaTeX that compiles."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from deeprac.evaluation.gates import GATE_COLUMNS, NOT_LEARNED
from deeprac.reporting.render import latex, markdown
from deeprac.reporting.summary import Summary
from deeprac.reporting.table_titles import TABLE_TITLES
from deeprac.reporting.tables import all_tables
from deeprac.reporting.tables.ranking import ranking_table
from support.summary_builder import REPO, make_config, make_summary

pytestmark = pytest.mark.usefixtures("few_resamples")

NAN = float("nan")
NAMES = list(TABLE_TITLES)
PAPERS = "published_claims"
"""Knows no patients but the paper's, and no empty labels."""
METHODS = {"plain": "nnunet", "augmented": "nnunet_augment", "learned": "stn"}
COMPARISONS = [
    ("stn", "nnunet_augment", "superiority"),
    ("stn", "nnunet", "non_inferiority"),
    ("stn_crop", "stn", "non_inferiority"),
]
RNG = np.random.default_rng(14)
DICE = {name: RNG.uniform(0.4, 0.9, 6) for name in METHODS}
AWKWARD = r"a_b% &c #1 ~d ^e \f {g} <script> $h$ i|j"


def tables_of(dice=DICE, **options):
    statistics = options.pop("statistics", {})
    config = make_config(METHODS, comparisons=COMPARISONS, statistics=statistics)
    return all_tables(make_summary(config, dice, **options))


@pytest.fixture(scope="module")
def tables():
    return tables_of(seeds=(0, 1))


def test_names_in_the_order_of_reading(tables):
    assert list(tables) == NAMES
    assert [table.name for table in tables.values()] == NAMES
    captions = {path.stem for path in (REPO / "workflow/report/tables").glob("*.rst")}
    assert captions == {*NAMES, "claims"}


@pytest.mark.parametrize("name", NAMES)
def test_states_n(tables, name):
    text = markdown(tables[name])
    assert re.search(r"n = 6 patients", text) or name in {"table1", "table2", PAPERS}
    assert "n" in tables[name].rows or any("n_" in c for c in tables[name].rows)


@pytest.mark.parametrize(
    ("convention", "said"),
    [("nnunet", "undefined and left out"), ("kits23", "empty, overlap and surface")],
)
def test_names_the_convention_of_empty_labels(convention, said):
    found = tables_of(statistics={"empty_labels": convention})
    for name in {*NAMES} - {"cost", "gates", PAPERS}:  # cost knows no labels
        assert f"statistics.empty_labels: {convention}" in markdown(found[name])
        assert said in markdown(found[name])


def test_statistics_are_tidy_and_named(tables):
    rows = tables["statistics"].rows
    assert not rows.duplicated(["experiment", "label", "metric"]).any()
    assert set(rows.empty_labels) == {"nnunet"}
    mine = rows[(rows.experiment == "learned") & (rows.metric == "dice")]
    assert mine["mean"].tolist() == pytest.approx([DICE["learned"].mean()] * 3)
    text = markdown(tables["statistics"])
    headings = re.findall(r"^### (.*)$", text, re.M)
    assert headings[:3] == [
        "Dice, %: kidney",
        "Dice, %: tumour",
        "Dice, %: kidney and tumour",
    ]
    assert "HD95, mm: tumour" in headings
    assert len(headings) == len(set(headings))


def test_comparisons_say_what_was_not_run(tables):
    text = markdown(tables["comparisons"])
    assert "### Planned but not made" in text
    assert "no selected experiment has the method stn_crop" in text
    assert "4 tests; margin 2 points." in text


def test_ranking_is_sorted_and_sums_up(tables):
    rows = tables["ranking"].rows
    for (_, metric), part in rows.groupby(["label", "metric"]):
        assert part["rank"].is_monotonic_increasing
        if metric != "composite":
            assert part.p_rank_1.sum() == pytest.approx(1)
    assert set(rows.metric) == {"dice", "nsd_2mm", "composite"}
    assert "### Composite of KiTS23: tumour" in markdown(tables["ranking"])


def test_an_order_of_trainings_that_did_not_learn_is_not_decidable(tables):
    assert "not decidable" not in markdown(tables["ranking"])
    summary = make_summary(make_config(METHODS), DICE, seeds=(0, 1))
    row = ("plain", 1, 0, "tumour", 0.0, "training slices", NOT_LEARNED)
    summary.__dict__["gates"] = pd.DataFrame([row], columns=list(GATE_COLUMNS))
    text = markdown(ranking_table(summary))
    assert "The order is not decidable: 1 of 1 trainings did not learn (plain" in text


def test_without_an_experiment_on_all_patients_nothing_is_ranked():
    methods = {name: (method, 2) for name, method in METHODS.items()}
    config = make_config(methods, comparisons=COMPARISONS)
    tables = all_tables(make_summary(config, DICE, seeds=(0, 1)))
    assert tables["ranking"].rows.empty
    assert "nothing is ranked" in markdown(tables["ranking"])
    for table in tables.values():
        assert markdown(table)
        assert latex(table)


def test_experiments_of_different_steps_have_no_gain():
    config = make_config(METHODS, comparisons=COMPARISONS)
    summary = make_summary(config, DICE, seeds=(0, 1))
    summary.runs.loc[summary.runs.experiment == "learned", "epochs"] = 20
    tables = all_tables(summary)
    rows = tables["ladder"].rows.set_index("experiment")
    assert pd.isna(rows.tumour_gain["learned"])
    assert not pd.isna(rows.tumour_gain["augmented"])
    assert "different numbers of steps" in markdown(tables["comparisons"])


def test_cost_is_the_mean_over_the_runs(tables):
    rows = tables["cost"].rows.set_index("experiment")
    assert rows.n_runs.tolist() == [4, 4, 4]
    assert rows.training_seconds.tolist() == [100.5] * 3
    assert "| -" in markdown(tables["cost"])  # no GPU


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("dice", "options"),
    [
        ({name: [0.7] for name in METHODS}, {"folds": 1}),
        ({name: [0.7, 0.8] for name in METHODS}, {}),
        ({name: [0.7] * 6 for name in METHODS}, {}),
        ({name: [0.7, NAN, 0.8] for name in METHODS}, {}),
        ({name: [NAN] * 3 for name in METHODS}, {}),
        ({name: [0.0] * 4 for name in METHODS}, {"empty": ("tumour",)}),
        (DICE | {"learned": np.full(6, NAN)}, {}),
    ],
    ids=["one", "two", "equal", "NaN", "all NaN", "no tumour", "one method NaN"],
)
def test_degenerate_cohorts_have_all_tables(dice, options):
    tables = tables_of(dice, **options)
    for table in tables.values():
        text = markdown(table) + latex(table)
        assert "nan" not in text.lower()
        assert "<NA>" not in text
    rows = tables["statistics"].rows
    patients = len(dice["plain"])
    assert (rows.n + rows.n_undefined == patients).all()


def test_order_of_rows_and_runs_change_nothing():
    config = make_config(METHODS, comparisons=COMPARISONS)
    summary = make_summary(config, DICE, seeds=(0, 1))
    summary.cases["dice"] = np.random.default_rng(15).uniform(0, 1, len(summary.cases))
    shuffled = Summary.of(
        config,
        summary.layout,
        summary.cases.sample(frac=1, random_state=1),
        summary.runs.sample(frac=1, random_state=1),
    )
    others = all_tables(shuffled)
    for name, table in all_tables(summary).items():
        pd.testing.assert_frame_equal(others[name].rows, table.rows, check_exact=True)
        assert markdown(others[name]) == markdown(table)


@pytest.fixture(scope="module")
def awkward():
    """More rows than a page has, with all special characters in labels and devices."""
    experiments = {f"e{i:02d}": "nnunet" for i in range(46)}
    methods = {"nnunet": {"label": AWKWARD}, "stn": {"label": f"{AWKWARD} 2"}}
    experiments["last"] = "stn"
    config = make_config(
        experiments,
        comparisons=[("stn", "nnunet", "superiority")],
        methods=methods,
    )
    dice = {name: RNG.uniform(0, 1, 6) for name in experiments}
    summary = make_summary(config, dice)
    summary.runs["device_name"] = AWKWARD
    return all_tables(summary)


def test_markdown_keeps_its_columns_and_shows_no_tags(awkward):
    for table in awkward.values():
        text = markdown(table)
        assert "<script>" not in text
        for part in re.split(r"\n\n", text):
            lines = [line for line in part.splitlines() if line.startswith("|")]
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) <= 1


@pytest.fixture(scope="module")
def nothing():
    """No comparison is planned, and no patient has a value."""
    config = make_config({"plain": "nnunet"})
    return all_tables(make_summary(config, {"plain": [NAN, NAN]}))


DOCUMENT = r"""\documentclass{article}
\usepackage[a4paper,margin=2cm]{geometry}
\usepackage{booktabs,graphicx}
\begin{document}
BODY
\end{document}
"""


@pytest.mark.slow
@pytest.mark.parametrize("cohort", ["tables", "awkward", "nothing"])
def test_latex_compiles_and_fits(cohort, tmp_path, request):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is missing: install texlive-latex-recommended")
    body = []
    for name, table in request.getfixturevalue(cohort).items():
        (tmp_path / f"{name}.tex").write_text(latex(table))
        body.append(rf"\input{{{name}}}\ref{{tab:deeprac-{name}}}\clearpage")
    (tmp_path / "document.tex").write_text(DOCUMENT.replace("BODY", "\n".join(body)))
    for _ in range(2):  # the second run knows the labels
        result = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout[-2000:]
    for trouble in ("Overfull", "too large", "undefined", "Missing character"):
        assert trouble not in result.stdout, result.stdout
