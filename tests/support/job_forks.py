"""``python -m deeprac`` in a fork of a process that has imported its libraries.

The imports (torch, nnU-Net, statsmodels) take up to eight seconds of CPU, nearly all
that a job on a phantom takes. deeprac itself and nnU-Net, which reads the environment
when it is imported, are imported by each job, as ever.

``python_of_forks()`` is a program that hands ``-m deeprac`` over, with environment,
working directory, open files and signals, and is Python otherwise.
"""

import atexit
import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

LIBRARIES = (
    "highdicom",
    "nnunetv2.inference.predict_from_raw_data",
    "nnunetv2.training.nnUNetTrainer.nnUNetTrainer",
    "nibabel",
    "matplotlib.pyplot",
    "seaborn",
    "SimpleITK",
    "skimage.draw",
    "skimage.measure",
    "statsmodels.api",
    "jsonschema",
    "yaml",
    "jinja2",
    "docutils.core",
)
AGAIN = "nnunetv2"
"""Imported for what it imports; each job does so for itself."""
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

PYTHON = """#!{python} -IS
import sys
sys.path.append({folder!r})
from job_forks import be_python
be_python({python!r}, {address!r})
"""


_started: list[tuple[subprocess.Popen, str]] = []


def python_of_forks() -> str:
    """Start the process whose forks are jobs, which ends with this one.

    It is started anew where a test of how deeprac ends its children has ended it too.
    """
    if not _started or _started[-1][0].poll() is not None:
        _started.append(_start())
    return _started[-1][1]


def _start() -> tuple[subprocess.Popen, str]:
    """The process, and the program that hands jobs over to it."""
    folder = Path(tempfile.mkdtemp(prefix="forks"))
    address = str(folder / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    server = subprocess.Popen(
        [sys.executable, __file__, str(listener.fileno()), str(folder)],
        stdin=subprocess.PIPE,
        pass_fds=[listener.fileno()],
    )
    listener.close()
    atexit.register(server.communicate)
    python = folder / "python"
    names = {"python": sys.executable, "folder": str(Path(__file__).parent)}
    python.write_text(PYTHON.format(address=address, **names))
    python.chmod(0o755)
    return server, str(python)


def be_python(python: str, address: str) -> None:
    """Be the program ``python``; its jobs of deeprac run elsewhere."""
    if sys.argv[1:3] != ["-m", "deeprac"]:
        os.execv(python, [python, *sys.argv[1:]])
    job = {"argv": sys.argv[2:], "cwd": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [json.dumps(job).encode() + b"\n"], [0, 1, 2])
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: connection.send(bytes([number])))
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
    # Such a process does not take down all that was imported, which takes a second.
    process = multiprocessing.get_context("fork").Process(
        target=run, args=(connection, files), kwargs=json.loads(text)
    )
    process.start()
    ended = process.sentinel
    while ended not in select.select([ended, connection], [], [])[0]:
        os.kill(process.pid, next(iter(connection.recv(1)), signal.SIGKILL))
    process.join()
    with contextlib.suppress(BrokenPipeError):  # who asked may have been killed
        connection.send(f"{process.exitcode}\n".encode())


def run(
    connection: socket.socket,
    files: list[int],
    argv: list[str],
    cwd: str,
    environment: dict[str, str],
) -> None:
    """Be the job."""
    import torch  # noqa: PLC0415 (this module is imported by what starts at once)

    connection.close()
    become(argv, Path(cwd), environment, dict(enumerate(files)))
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [cwd, *filter(None, paths)]
    # Read by torch when it was imported.
    if threads := environment.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))
    runpy.run_module("deeprac", run_name="__main__", alter_sys=True)


def become(
    argv: list[str], folder: Path, environment: dict[str, str], files: dict[int, int]
) -> None:
    """Have the arguments, folder, environment and open files of another program.

    Args:
        argv: its command line.
        folder: where it runs.
        environment: all of its environment.
        files: for its standard files, by their numbers, those that they are to be.
    """
    for own, file in files.items():
        os.dup2(file, own)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = argv


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    shutil.rmtree(sys.argv[2])
