"""The image that segments, built and run by podman, alone and by the Slicer module.

Base and wheels are kept in ``DEEPRAC_IMAGE_CACHE``, else made anew. A stand-in
takes the place of ``deeprac`` where only engine and module are looked at.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from DeePRACLib.results import Grid, read_result
from DeePRACLib.runner import Runner, State
from DeePRACLib.settings import Settings

from support import fake_engine

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
TAG = "localhost/deeprac-segment-test"
STAND_INS = {
    "": "localhost/deeprac-stand-in-test:plain",
    "deaf": "localhost/deeprac-stand-in-test:deaf",
}
"""Images by how their stand-in behaves."""

HARDENED = [
    *("--network", "none", "--read-only", "--tmpfs", "/tmp:rw,noexec,nosuid,size=1g"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--pids-limit", "512", "--memory", "4g", "--shm-size", "1g"),
    *("--user", "12345:23456", "--pull", "never", "--init", "--rm"),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """The environment in which podman runs inside a container too."""
    needed = ("podman", "runc", "debootstrap", "catatonit")
    missing = [name for name in needed if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(needed)}; missing: {missing}")
    conf = tmp_path_factory.mktemp("podman") / "containers.conf"
    conf.write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
        '[engine]\nruntime = "runc"\n'
    )
    return os.environ | {"CONTAINERS_CONF": str(conf)}


@pytest.fixture(scope="module")
def image(engine, tmp_path_factory):
    """Name of the image, and of one with a stand-in for ``deeprac``."""
    cache = os.environ.get("DEEPRAC_IMAGE_CACHE") or tmp_path_factory.mktemp("cache")
    script = ROOT / "tests" / "container" / "build.sh"
    built = subprocess.run(
        [script, TAG, cache, sys.executable], check=False, env=engine
    )
    if built.returncode == 77:
        pytest.skip("this machine lets no container run, by its kernel or its rules")
    assert built.returncode == 0
    folder = tmp_path_factory.mktemp("stand_in")
    shutil.copy(fake_engine.STAND_IN, folder / "deeprac.py")
    for behaviour, name in STAND_INS.items():
        (folder / "Containerfile").write_text(
            f"FROM {TAG}\nCOPY deeprac.py /\nENV STAND_IN={behaviour}\n"
            'ENTRYPOINT ["python3", "/deeprac.py"]\n'
        )
        podman(engine, "build", "--quiet", "--tag", name, str(folder))
    yield TAG
    podman(engine, "rmi", "--force", *STAND_INS.values(), TAG)


def podman(engine, *arguments):
    done = subprocess.run(
        ["podman", *arguments], env=engine, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def python_in(engine, image, script):
    """What a script says in a hardened container."""
    options = (*HARDENED, "--entrypoint", "python3")
    return podman(engine, "run", *options, image, "-c", script)


def test_any_user_without_network_on_a_read_only_root(engine, image):
    assert podman(engine, "run", *HARDENED, image, "--version").strip()
    script = (
        "import json, os, pathlib, socket\n"
        "import highdicom, nnunetv2, SimpleITK, torch, trimesh, vtk\n"
        "writable = [p for p in ('/', '/opt', '/usr', '/var', '/input', '/tmp')\n"
        "            if os.access(p, os.W_OK)]\n"
        "try:\n"
        "    socket.create_connection(('192.0.2.1', 80), 2); net = True\n"
        "except OSError:\n"
        "    net = False\n"
        "print(json.dumps([os.getuid(), writable, net, os.environ['HOME']]))\n"
    )
    said = python_in(engine, image, script)
    assert json.loads(said.splitlines()[-1]) == [12345, ["/tmp"], False, "/tmp"]


def test_3d_previews_can_be_drawn(engine, image):
    script = (
        "import vtk\n"
        "window = vtk.vtkRenderWindow(); window.SetOffScreenRendering(1)\n"
        "window.AddRenderer(vtk.vtkRenderer()); window.Render()\n"
        "print(window.GetClassName())\n"
    )
    said = python_in(engine, image, script)
    assert said.splitlines()[-1] == "vtkEGLRenderWindow"


def test_labels_name_licence_and_commit(engine, image):
    labels = json.loads(podman(engine, "image", "inspect", image))[0]["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"]
    assert "not a medical device" in labels["org.opencontainers.image.description"]


def test_no_private_file_and_no_workflow_is_in_it(engine, image):
    script = (
        "import importlib.util, json, pathlib\n"
        "names = ('snakemake', 'pytest', 'monai', 'statsmodels', 'hypothesis')\n"
        "print(json.dumps([[n for n in names if importlib.util.find_spec(n)],\n"
        "    [str(p) for p in pathlib.Path('/').glob('*/private')]]))\n"
    )
    said = python_in(engine, image, script)
    assert json.loads(said.splitlines()[-1]) == [[], []]


def started(engine, folder, behaviour):
    """A run of the Slicer module with the real engine, in a folder of a hard name."""
    place = folder / 'Lékař, "x"'
    place.mkdir()
    bundle = place / "bundle.zip"
    bundle.write_bytes(b"PK")
    settings = Settings(
        backend="podman",
        image=STAND_INS[behaviour],
        bundle=str(bundle),
        device="cpu",
        memory_gib=4,
        temporary_folder=str(place),
    )
    assert settings.problems() == []
    runner = Runner(str(place), environment=engine)
    volume = sitk.GetImageFromArray(np.zeros((5, 7, 9), np.int16))
    source = Path(runner.folder) / "input" / "ct.nrrd"
    sitk.WriteImage(volume, str(source))
    grid = Grid.from_nrrd(str(source))
    runner.start("segment", settings, lambda output: read_result(output, grid))
    return runner


def until(runner, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition(runner.poll()):
        assert time.monotonic() < deadline, runner.log
        time.sleep(0.05)


def containers(engine, runner):
    return podman(engine, "ps", "--all", "--quiet", "--filter", f"name={runner.name}")


def test_the_module_runs_it(engine, image, tmp_path):
    runner = started(engine, tmp_path, "")
    until(runner, lambda _: runner.is_over)
    assert runner.state is State.DONE, (runner.problem, runner.log)
    assert containers(engine, runner) == ""
    runner.close()
    until(runner, lambda _: not Path(runner.folder).exists())


def test_cancel_leaves_nothing_though_sigterm_is_ignored(engine, image, tmp_path):
    runner = started(engine, tmp_path, "deaf")
    until(runner, lambda events: "network" in [event.stage for event in events])
    assert containers(engine, runner)
    runner.stop()
    until(runner, lambda _: runner.is_over, 15)
    assert (runner.state, runner.left) == (State.CANCELLED, [])
    assert containers(engine, runner) == ""
    assert not Path(runner.folder).exists()
