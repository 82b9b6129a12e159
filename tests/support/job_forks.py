"""``python -m deeprac`` in a fork of a process that has imported its libraries.

The imports (torch, nnU-Net, statsmodels) take up to eight seconds of CPU, nearly all
that a job on a phantom takes. deeprac itself and nnU-Net, which reads the environment
when it is imported, are imported by each job, as ever.

``python_of_forks()`` is a program that hands ``-m deeprac`` over, with environment,
working directory, open files and signals, and is Python otherwise.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

LIBRARIES = (
    "nnunetv2.inference.predict_from_raw_data",
    "nnunetv2.training.nnUNetTrainer.nnUNetTrainer",
    "matplotlib.pyplot",
    "seaborn",
    "SimpleITK",
    "statsmodels.api",
)
AGAIN = "nnunetv2"
"""Imported for what it imports; each job does so for itself."""
PASSED_ON = (signal.SIGINT, signal.SIGTERM)

PYTHON = """#!{python} -IS
import sys
sys.path.append({folder!r})
from job_forks import be_python
be_python({python!r}, {address!r})
"""


@functools.cache
def python_of_forks() -> str:
    """Start the process whose forks are jobs, which ends with this one."""
    folder = Path(tempfile.mkdtemp(prefix="forks"))
    address = str(folder / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    server = subprocess.Popen(
        [sys.executable, __file__, str(listener.fileno())],
        stdin=subprocess.PIPE,
        pass_fds=[listener.fileno()],
    )
    listener.close()
    atexit.register(server.communicate)
    python = folder / "python"
    names = {"python": sys.executable, "folder": str(Path(__file__).parent)}
    python.write_text(PYTHON.format(address=address, **names))
    python.chmod(0o755)
    return str(python)


def be_python(python: str, address: str) -> None:
    """Be the program ``python``; its jobs of deeprac run elsewhere."""
    if sys.argv[1:3] != ["-m", "deeprac"]:
        os.execv(python, [python, *sys.argv[1:]])
    job = {"argv": sys.argv[2:], "cwd": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: connection.send(bytes([number])))
        socket.send_fds(connection, [json.dumps(job).encode() + b"\n"], [0, 1, 2])
        status = int(connection.makefile().readline())
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def serve(listener: socket.socket) -> None:
    """Fork for every job until standard input is closed."""
    for library in LIBRARIES:
        importlib.import_module(library)
    for module in [name for name in sys.modules if name.split(".")[0] == AGAIN]:
        del sys.modules[module]
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever watches a job has ended
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            watch(connection)
            os._exit(0)
        connection.close()


def watch(connection: socket.socket) -> None:
    """Run one job; it does not outlive who asked for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    while not text.endswith(b"\n"):
        text += connection.recv(1 << 20)
    pid = os.fork()
    if pid == 0:
        connection.close()
        status = run(json.loads(text), files)
        # Not all that was imported is taken down again: that takes a second.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(status)
    ended = os.pidfd_open(pid)
    while ended not in select.select([ended, connection], [], [])[0]:
        os.kill(pid, next(iter(connection.recv(1)), signal.SIGKILL))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.send(f"{status}\n".encode())


def run(job: dict, files: list[int]) -> int:
    """Be the job, whose exit code is returned."""
    import torch  # noqa: PLC0415 (this module is imported by what starts at once)

    for own, file in enumerate(files):
        os.dup2(file, own)
        os.close(file)
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["cwd"])
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [job["cwd"], *filter(None, paths)]
    sys.argv = job["argv"]
    # Read by torch when it was imported.
    if threads := os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))
    try:
        runpy.run_module("deeprac", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return int(ended.code or 0)
    return 0


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
