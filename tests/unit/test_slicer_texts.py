"""What the window shows: the worst first, everything escaped."""

from DeePRACLib.checks import Answer
from DeePRACLib.errors import Problem
from DeePRACLib.results import Result
from DeePRACLib.texts import answers_html, problem_html, result_html


def test_answers_show_a_remedy_only_where_it_is_needed():
    html = answers_html(
        [
            Answer("disk", True, "9 GiB free", "Free some space."),
            Answer("image", False, "No <image>.", "Load it."),
            Answer("GPU", None, "not asked for"),
        ]
    )
    assert "Free some space" not in html
    assert "No &lt;image&gt;.<br><b>Load it.</b>" in html


def test_a_problem_is_escaped():
    assert "&lt;script&gt;" in problem_html(Problem("<script>", "Do it."))


def test_the_worst_flag_comes_first():
    flags = (
        {"verdict": "look", "message": "small", "remedy": "Look."},
        {
            **{"verdict": "do not use", "message": "<big>", "remedy": "Stop."},
            **{"value": 0.41234567, "limit": 0.85},
        },
    )
    html = result_html(Result("", "do not use", flags, {"files": {}}))
    assert html.index("&lt;big&gt; (0.412346, limit 0.85)") < html.index("small")
    assert "not a medical device" in html
    assert "Do not use this result" in html


def test_a_result_without_flags_says_so():
    assert "No flag was raised" in result_html(Result("", "ok", (), {"files": {}}))
