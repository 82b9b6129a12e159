"""A stand-in for docker and podman, first on the PATH, for machines without either.

A container is a process of its own session that outlives the client, as with a real
engine: killing the client leaves it running. Paths of mounts are replaced by those of
this machine. Argument lists are recorded. ``FAKE_ENGINE`` is its folder, with

- ``fault``: what goes wrong, a key of ``FAULTS`` or ``RUN_FAULTS``;
- ``command``: JSON list, what ``deeprac`` is in the image;
- ``calls``: one JSON list per call; ``containers/NAME``: one file per container.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_MODULE = Path(__file__).parents[2] / "slicer" / "DeePRAC"
STAND_IN = _MODULE / "Testing" / "Python" / "stand_in_deeprac.py"
"""What is run as ``deeprac`` where no bundle is at hand."""

FAULTS = {
    "daemon off": (
        1,
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
        "Is the docker daemon running?",
    ),
    "socket denied": (
        1,
        "permission denied while trying to connect to the Docker daemon socket at "
        "unix:///var/run/docker.sock",
    ),
}
"""Exit code and message of every call but ``--version``."""

RUN_FAULTS = {
    "image missing": (125, "docker: Error response from daemon: No such image: x."),
    "no GPU": (
        125,
        "docker: Error response from daemon: could not select device driver "
        '"" with capabilities: [[gpu]].',
    ),
    "folder unseen": (
        125,
        "docker: Error response from daemon: invalid mount config for type "
        '"bind": bind source path does not exist: /tmp/x.',
    ),
    "refused": (125, "docker: Error response from daemon: something else."),
    "not executable": (126, "exec: permission denied"),
    "no program": (127, 'exec: "deeprac": executable file not found'),
}
"""The same of ``run``."""

FLAGS = {"--init", "--read-only", "--rm"}
"""Options of ``run`` without a value."""


def install(folder: Path, command: list[str], state: Path) -> None:
    """Put the engines into a folder for the PATH, with their state in another."""
    folder.mkdir(parents=True, exist_ok=True)
    (state / "containers").mkdir(parents=True)
    (state / "command").write_text(json.dumps(command))
    (state / "calls").touch()
    for name in ("docker", "podman"):
        engine = folder / name
        engine.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            "import fake_engine\n"
            f"sys.exit(fake_engine.main(sys.argv, {str(state)!r}))\n"
        )
        engine.chmod(0o755)


def calls(state: Path, verb: str) -> list[list[str]]:
    """Arguments of the calls of one verb."""
    lines = (state / "calls").read_text().splitlines()
    return [call[1:] for line in lines if (call := json.loads(line))[0] == verb]


def main(argv: list[str], state_folder: str) -> int:
    """Be the engine."""
    state = Path(state_folder)
    with (state / "calls").open("a") as stream:
        stream.write(json.dumps(argv[1:]) + "\n")
    fault = state / "fault"
    fault_name = fault.read_text() if fault.exists() else ""
    if argv[1] == "--version":
        print(f"{Path(argv[0]).name} version 0, not a real one")
        return 0
    if fault_name in FAULTS:
        code, message = FAULTS[fault_name]
        print(message, file=sys.stderr)
        return code
    verbs = {"run": run, "stop": stop, "rm": remove, "ps": listed}
    if argv[1] in verbs:
        return verbs[argv[1]](state, argv[2:], fault_name)
    if argv[1] == "image" and fault_name == "image missing":
        print("Error: No such image: x", file=sys.stderr)
        return 1
    answers = {
        "info": 'Debian ["name=seccomp"]',
        "image": "sha256:0123456789abcdef",
        "inspect": "true" if fault_name == "out of memory" else "false",
    }
    print(answers[argv[1]])
    return 0


def run(state: Path, arguments: list[str], fault: str) -> int:
    """Run a container and stay with it, as the client of a real engine does."""
    if fault in RUN_FAULTS:
        code, message = RUN_FAULTS[fault]
        print(message, file=sys.stderr)
        return code
    options, rest = _options(arguments)
    (name,) = options["--name"]
    container = state / "containers" / name
    log = container.with_suffix(".log")
    command = json.loads((state / "command").read_text())
    if "--entrypoint" in options:
        command = [sys.executable]
    command += _on_this_machine(rest[1:], options.get("--mount", []))
    if fault == "slow to start":
        time.sleep(1)
    container.touch()
    with log.open("wb") as stream:
        # The container writes its number itself: a client may be killed at any time.
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'echo $$ > "$0"; exec "$@"', container, *command],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with log.open("rb") as stream:
        while True:
            ended = process.poll() is not None
            sys.stdout.buffer.write(stream.read())
            sys.stdout.buffer.flush()
            if ended:
                break
            time.sleep(0.02)
    code = process.returncode
    return 128 - code if code < 0 else code


def stop(state: Path, arguments: list[str], _fault: str) -> int:
    """SIGTERM, and SIGKILL after the time that is given."""
    assert arguments[0] == "--time"
    pid = _pid(state, arguments[2])
    if pid is None:
        print(f"Error: No such container: {arguments[2]}", file=sys.stderr)
        return 1
    _signal(pid, signal.SIGTERM)
    # A second of a container is a tenth of one of the engine: the tests are fast.
    deadline = time.monotonic() + float(arguments[1]) / 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal(pid, signal.SIGKILL)
    return 0


def remove(state: Path, arguments: list[str], _fault: str) -> int:
    """Kill it and forget it."""
    pid = _pid(state, arguments[-1])
    if pid is not None:
        _signal(pid, signal.SIGKILL)
    files = list((state / "containers").glob(f"{arguments[-1]}*"))
    for file in files:
        file.unlink(missing_ok=True)
    return 0 if files else 1


def listed(state: Path, arguments: list[str], _fault: str) -> int:
    """The containers of a name."""
    name = arguments[-1].removeprefix("name=")
    if (state / "containers" / name).exists():
        print("0123456789ab")
    return 0


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def _pid(state: Path, name: str) -> int | None:
    container = state / "containers" / name
    with suppress(OSError, ValueError):
        return int(container.read_text())
    return None


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _options(arguments: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    options: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest[0].startswith("--"):
        option = rest.pop(0)
        value = "" if option in FLAGS else rest.pop(0)
        options.setdefault(option, []).append(value)
    return options, rest


def _on_this_machine(arguments: list[str], mounts: list[str]) -> list[str]:
    """Replace what begins with the target of a mount."""
    targets = {}
    for (row,) in (list(csv.reader([mount])) for mount in mounts):
        fields = dict(one.partition("=")[::2] for one in row)
        assert Path(fields["src"]).exists(), "bind source path does not exist"
        targets[fields["dst"]] = fields["src"]
    mapped = []
    for argument in arguments:
        for target, source in targets.items():
            if argument == target or argument.startswith(target + "/"):
                mapped.append(source + argument[len(target) :])
                break
        else:
            mapped.append(argument)
    return mapped
