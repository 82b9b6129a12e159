"""What a training forks ends with it, even if it is killed."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

SCRIPT = """
import multiprocessing, time
from deeprac.training.children import end_with_this_process

end_with_this_process()
context = multiprocessing.get_context("fork")
workers = [context.Process(target=time.sleep, args=(600,)) for _ in range(2)]
for worker in workers:
    worker.start()
print(*(worker.pid for worker in workers), flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux' parent-death signal")
def test_forked_processes_end_with_a_killed_parent():
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True
    ) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert all(map(psutil.pid_exists, pids))
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(pids) == 2
    assert not any(map(alive, pids))


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
