"""SIGTERM ends a process within seconds and leaves nothing behind."""

import signal
import subprocess
import sys
import time

from deeprac.termination import EXIT_CODE

SCRIPT = """
import sys, time
from pathlib import Path
from deeprac import termination
termination.PATIENCE_SECONDS = 0.5
folder = Path(sys.argv[1])
with termination.ended_by_signal(lambda: [folder]):
    folder.mkdir()
    try:
        print("ready", flush=True)
        {work}
    finally:
        {cleaning}
"""
INSIDE_A_LIBRARY = (
    "import hashlib; hashlib.pbkdf2_hmac('sha256', b'word', b'salt', 300_000_000)"
)
"""Like a forward pass: minutes in C, which no signal interrupts."""


def ended(tmp_path, work, cleaning):
    folder = tmp_path / "work"
    script = SCRIPT.format(work=work, cleaning=cleaning)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)  # until the work has begun
    assert folder.is_dir()
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=30)
    process.stdout.close()
    return code, time.monotonic() - begun, folder


def test_python_ends_in_order(tmp_path):
    work, cleaning = "time.sleep(60)", "folder.rmdir(); Path(f'{folder}.clean').touch()"
    code, seconds, folder = ended(tmp_path, work, cleaning)
    assert (code, EXIT_CODE) == (143, 143)
    assert seconds < 10
    assert not folder.exists()
    assert folder.with_name("work.clean").exists()


def test_a_library_that_does_not_return_is_ended_and_its_folder_removed(tmp_path):
    code, seconds, folder = ended(tmp_path, INSIDE_A_LIBRARY, "pass")
    assert code == 143
    assert seconds < 10
    assert not folder.exists()


def test_a_request_that_a_library_swallows_is_obeyed_before_the_result():
    """As by ``except:`` about an optional import."""
    script = """
import os, signal
from deeprac.termination import ended_by_signal
with ended_by_signal(lambda: []) as end:
    end.obey()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except:
        print("swallowed", flush=True)
    end.obey()
    print("a result")
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (143, "swallowed\n"), done.stderr


def test_without_a_signal_all_is_as_before(tmp_path):
    work = (
        "import signal; before = signal.getsignal(signal.SIGTERM)\n"
        "        import threading; count = threading.active_count()"
    )
    after = (
        "signal.getsignal(signal.SIGTERM); folder.rmdir()\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
        "time.sleep(0.2); assert threading.active_count() == 1, threading.enumerate()"
    )
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            SCRIPT.format(work=work, cleaning=after),
            tmp_path / "w",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_what_ended_in_time_is_left_alone():
    """A program that goes on, as one that calls a verb inside itself."""
    script = """
import os, signal, time
from deeprac import termination
termination.PATIENCE_SECONDS = 0.3
try:
    with termination.ended_by_signal(lambda: []):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
except SystemExit as error:
    time.sleep(1)
    print("goes on after", error.code)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "goes on after 143\n"), done.stderr
