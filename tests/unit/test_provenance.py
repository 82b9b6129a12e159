import subprocess
import sys

import pytest

from deeprac import __version__, provenance


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_git_state_of_a_clean_checkout(checkout):
    state = provenance.git_state(checkout)
    assert len(state["commit"]) == 40
    assert state["dirty"] is False


def test_git_state_says_that_the_code_was_changed(checkout):
    clean = provenance.git_state(checkout)
    (checkout / "code.py").write_text("x = 2\n")
    assert provenance.git_state(checkout) == clean | {"dirty": True}


def test_untracked_files_such_as_results_do_not_make_it_dirty(checkout):
    (checkout / "results.csv").write_text("dice\n")
    assert provenance.git_state(checkout)["dirty"] is False


def test_git_state_outside_a_checkout_guesses_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_state(tmp_path) == {"commit": None, "dirty": None}


def test_git_state_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state(tmp_path) == {"commit": None, "dirty": None}


def test_software_names_versions_and_missing_packages(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("deeprac", "no-such-package"))
    versions = provenance.software()
    assert versions["deeprac"] == __version__
    assert versions["no-such-package"] is None
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))


def test_host_is_json_able_and_measured():
    host = provenance.host()
    assert host["cores"] >= 1
    assert host["memory_gib"] > 0
    assert provenance.digest(host)


def test_digest_ignores_the_order_of_keys_but_no_value():
    one = provenance.digest({"a": 1, "b": [1, 2]})
    assert one == provenance.digest({"b": [1, 2], "a": 1})
    assert one != provenance.digest({"a": 1, "b": [2, 1]})
    assert len(one) == 64


def test_convention_digest_is_sha256_of_compact_json():
    # printf '{"a":1}' | sha256sum
    expected = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert provenance.digest({"a": 1}) == expected
