"""One process at a time: leases of the living, the dead and the silent."""

import errno
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace

import psutil
import pytest

from deeprac import lease
from deeprac.errors import RunError
from deeprac.lease import STALE_SECONDS, Owner, held, refuse_if_held

WHAT = "fine_stn, seed 0, fold 1"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fold_1.lease"


def left_by(path, silent=0.0, **changes):
    """A lease that another process left; of this one but for the changes."""
    path.write_text(json.dumps(asdict(replace(Owner.me(), **changes))))
    then = time.time() - silent
    os.utime(path, (then, then))


def gives_signs_of_life(path):
    os.utime(path, (1, 1))
    end = time.monotonic() + 30
    while path.stat().st_mtime == 1 and time.monotonic() < end:
        time.sleep(0.01)
    return path.stat().st_mtime > 1


def test_a_lease_is_a_file_while_it_is_held(path):
    with held(path, WHAT) as mine:
        assert json.loads(path.read_text())["pid"] == os.getpid()
        mine.check()
    assert not path.exists()
    assert list(path.parent.iterdir()) == []


def test_a_full_disk_leaves_no_draft(path, monkeypatch):
    def full(draft, text):
        draft.touch()
        raise OSError(28, "No space left on device", str(draft))

    monkeypatch.setattr(type(path), "write_text", full)
    with pytest.raises(OSError, match="No space left"), held(path, WHAT):
        pass
    assert list(path.parent.iterdir()) == []


def test_the_second_is_refused_and_told_how_to_go_on(path):
    with held(path, WHAT):
        with pytest.raises(RunError) as refused, held(path, WHAT):
            pass
        message = str(refused.value)
        for part in (WHAT, str(os.getpid()), socket.gethostname(), str(path)):
            assert part in message
        assert f"`kill {os.getpid()}` on" in message
        assert "last sign of life was 0 s ago" in message
        assert path.exists()
    assert not path.exists()


def test_a_job_of_slurm_is_stopped_by_its_number(path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    with (
        held(path, WHAT),
        pytest.raises(RunError, match="scancel 4711"),
        held(path, WHAT),
    ):
        pass


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": 2**22 + 1},  # beyond what Linux gives
        {"born": 1.0},  # the number was given to another process since
        {"boot": "another start"},
    ],
    ids=["process gone", "number used again", "machine restarted"],
)
def test_the_lease_of_a_dead_process_is_taken_over_and_it_is_said(
    path, changes, caplog
):
    left_by(path, **changes)
    with held(path, WHAT) as mine:
        mine.check()
    assert "taken over from a process that is gone" in caplog.text


def test_a_zombie_is_dead(path):
    """As in a container whose first process does not ask for its children."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        left_by(path, pid=child.pid, born=psutil.Process(child.pid).create_time())
        with held(path, WHAT) as mine:
            mine.check()


def test_a_disk_that_does_not_answer_for_a_while_ends_nothing(path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)

    def absent(*arguments, **named):
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    with held(path, WHAT) as mine:
        with monkeypatch.context() as away:
            away.setattr(os, "utime", absent)
            away.setattr(type(path), "read_text", absent)
            time.sleep(0.05)  # of several signs of life
            mine.check()
        assert gives_signs_of_life(path)
        mine.check()
    assert not path.exists()


def test_a_process_elsewhere_is_dead_only_after_a_long_silence(path):
    left_by(path, silent=STALE_SECONDS - 60, host="node7")
    with pytest.raises(RunError, match="node7"), held(path, WHAT):
        pass
    left_by(path, silent=STALE_SECONDS + 60, host="node7")
    with held(path, WHAT) as mine:
        mine.check()


@pytest.mark.parametrize("content", ["", "{", '{"pid": 3}', "[]"])
def test_a_damaged_lease_counts_as_long_as_it_is_fresh(path, content):
    path.write_text(content)
    with pytest.raises(RunError, match="on an unknown machine"), held(path, WHAT):
        pass
    then = time.time() - STALE_SECONDS - 60
    os.utime(path, (then, then))
    with held(path, WHAT) as mine:
        mine.check()


def test_a_newer_version_may_write_more_into_a_lease(path):
    path.write_text(json.dumps(asdict(Owner.me()) | {"colour": "red"}))
    with pytest.raises(RunError, match=f"process {os.getpid()} on"), held(path, WHAT):
        pass


def test_a_container_on_the_same_machine_is_judged_by_its_signs_of_life(path):
    """Its process has a number that means another process here, or none."""
    left_by(path, silent=5, processes="pid:[7]", pid=2**22 + 1)
    with pytest.raises(RunError, match="is being computed"), held(path, WHAT):
        pass
    left_by(path, silent=STALE_SECONDS + 60, processes="pid:[7]", pid=os.getpid())
    with held(path, WHAT) as mine:
        mine.check()


def test_who_lost_the_lease_writes_nothing_any_more(path):
    with held(path, WHAT) as mine:
        left_by(path, host="node7")
        with pytest.raises(RunError, match="no longer this process's"):
            mine.check()
        path.write_text("{")
        with pytest.raises(RunError, match="an unknown machine's"):
            mine.check()
        left_by(path, host="node7")
    # Nor is the other's lease given back.
    assert json.loads(path.read_text())["host"] == "node7"
    path.unlink()
    with held(path, WHAT) as mine:
        path.unlink()
        with pytest.raises(RunError, match="but nobody's"):
            mine.check()


def test_a_lease_can_be_looked_at_without_taking_it(path):
    assert refuse_if_held(path, WHAT) is None
    left_by(path, boot="another start")
    assert refuse_if_held(path, WHAT).boot == "another start"
    assert path.exists()
    with held(path, WHAT), pytest.raises(RunError, match="is being computed"):
        refuse_if_held(path, WHAT)


def test_an_error_gives_the_lease_back(path):
    with pytest.raises(ZeroDivisionError), held(path, WHAT):
        raise ZeroDivisionError
    assert not path.exists()


def test_signs_of_life_are_given(path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    with held(path, WHAT):
        assert gives_signs_of_life(path)


@pytest.mark.slow
def test_of_many_processes_one_gets_a_dead_ones_lease(path):
    left_by(path, boot="another start")
    code = (
        "import sys; from pathlib import Path; from deeprac.lease import held\n"
        "from deeprac.errors import RunError\n"
        "try:\n"
        "    with held(Path(sys.argv[1]), 'x'):\n"
        "        print('mine', flush=True); sys.stdin.read()\n"
        "except RunError: print('refused', flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    pipe = subprocess.PIPE
    runs = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)
    ]
    said = sorted(run.stdout.readline().strip() for run in runs)
    for run in runs:
        run.communicate()  # who holds it waits for this
    assert said == ["mine", "refused", "refused", "refused"]
