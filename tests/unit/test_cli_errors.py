"""Exit codes and streams of the command line; the verbs have their own tests."""

from types import SimpleNamespace

import pytest

from deeprac import cli, errors
from deeprac.commands.arguments import add_config_files


def raising(error: BaseException | None):
    """A stand-in for a verb's module that raises when it runs."""

    def run(args):
        if error is not None:
            raise error

    return SimpleNamespace(
        HELP="h", EXAMPLE="e", add_arguments=lambda parser: None, run=run
    )


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (None, 0, ""),
        (errors.CohortError("x.nii.gz is broken."), 1, "error: x.nii.gz is broken."),
        (errors.RunError("no GPU memory"), 1, "error: no GPU memory"),
        (OSError(28, "No space left", "/r/a"), 1, "No space left: '/r/a'"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("oops"), 3, "this is a bug in deeprac"),
    ],
)
def test_exit_codes(monkeypatch, capsys, error, code, message):
    monkeypatch.setattr(cli, "_load", lambda verb: raising(error))
    assert cli.main(["train"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert ("Traceback" in captured.err) == (code == 3)


def test_known_errors_are_one_line(monkeypatch, capsys):
    monkeypatch.setattr(cli, "_load", lambda verb: raising(errors.SplitError("leak")))
    cli.main(["splits"])
    assert capsys.readouterr().err == "deeprac splits: error: leak\n"


@pytest.mark.parametrize("argv", [[], ["fly"], ["train", "--wings"]])
def test_usage_errors_exit_with_2(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert stop.value.code == 2
    assert "usage: deeprac" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "verb", "configs"),
    [
        (["cohort", "one.yaml"], "cohort", ["one.yaml"]),
        (["cohort", "shake", "one.yaml", "two.yaml"], "cohort shake",
         ["one.yaml", "two.yaml"]),
        (["cohort", "in/shake"], "cohort", ["in/shake"]),
    ],
)  # fmt: skip
def test_a_verb_of_two_words_wins_over_its_first(monkeypatch, argv, verb, configs):
    called = []

    def load(verb):
        return SimpleNamespace(
            HELP="h",
            EXAMPLE="e",
            add_arguments=add_config_files,
            run=lambda args: called.append((verb, [str(p) for p in args.config])),
        )

    monkeypatch.setitem(cli.VERBS, "cohort shake", "shake it")
    monkeypatch.setattr(cli, "_load", load)
    assert cli.main(argv) == 0
    assert called == [(verb, configs)]


def test_every_error_is_a_deeprac_error_and_named_in_the_tree():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and kind is not errors.DeepracError
    ]
    assert len(kinds) == 12
    for kind in kinds:
        assert issubclass(kind, errors.DeepracError)
        assert kind.__name__ in errors.__doc__
