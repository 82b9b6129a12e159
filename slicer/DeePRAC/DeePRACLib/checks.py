"""What the button Check asks, each answer with its remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from .command import (
    ENGINE_INFO,
    IN_CONTAINER,
    Machine,
    child_environment,
    container_arguments,
    found_program,
    mount,
)
from .errors import Ending, Problem, ProblemError, explain
from .settings import Settings

FREE_GIB = 2.0
"""Room for one volume, its labels, models and page."""

_QUICK_SECONDS, _CONTAINER_SECONDS = 10, 60
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


@dataclass(frozen=True)
class Answer:
    """One question and its answer.

    Attributes:
        question: a few words.
        ok: True or False; None: it does not matter with these settings.
        detail: what was found.
        remedy: what to do where ``ok`` is False.
    """

    question: str
    ok: bool | None
    detail: str
    remedy: str = ""


class Checker:
    """Asks engine and program, one question after the other.

    Args:
        settings: the user's.
        environment: of the engine or program; None: this process's.
    """

    def __init__(
        self, settings: Settings, environment: dict[str, str] | None = None
    ) -> None:
        self.settings = settings
        self.environment = child_environment(environment)
        self.program = ""
        self.machine = Machine()

    def answers(self) -> Iterator[Answer]:
        """All answers; what needs a thing that is missing is left out.

        Each takes at most a minute. Call it in a thread of its own.
        """
        found = [Answer("settings", False, *one) for one in self.settings.problems()]
        yield from found or [Answer("settings", True, "complete")]
        yield self._disk()
        engine = self._program()
        yield engine
        if not engine.ok:
            return
        if self.settings.in_container:
            steps: tuple[Callable[[], Answer], ...] = (self._daemon, self._image)
            for step in steps:
                answer = step()
                yield answer
                if not answer.ok:
                    return
        if not any(one.question == "settings" for one in found):
            yield self._bundle()
            yield self._gpu()

    def _disk(self) -> Answer:
        folder = self.settings.temporary_folder or tempfile.gettempdir()
        try:
            free_gib = shutil.disk_usage(folder).free / 2**30
        except OSError as error:
            return Answer("disk", False, str(error), "Choose another temporary folder.")
        if not os.access(folder, os.W_OK):
            return Answer(
                "disk",
                False,
                "The temporary folder is not writable.",
                "Choose another temporary folder.",
            )
        return Answer(
            "disk",
            free_gib >= FREE_GIB,
            f"{free_gib:.1f} GiB free, {FREE_GIB:g} needed",
            "Free some space, or choose another temporary folder.",
        )

    def _program(self) -> Answer:
        name = self.settings.backend if self.settings.in_container else "deeprac"
        try:
            self.program = found_program(self.settings, self.environment)
        except ProblemError as error:
            return Answer(name, False, *error.problem)
        code, lines = self._ask(["--version"], _QUICK_SECONDS)
        if code != 0:
            return Answer(name, False, *self._problem(code, lines))
        return Answer(name, True, f"{lines[0] if lines else ''} ({self.program})")

    def _daemon(self) -> Answer:
        docker = self.settings.backend == "docker"
        arguments = (
            ENGINE_INFO if docker else ("info", "--format", "{{.Version.Version}}")
        )
        code, lines = self._ask(arguments, _QUICK_SECONDS)
        if code != 0:
            return Answer("engine answers", False, *self._problem(code, lines))
        self.machine = Machine.here(
            self.settings, self.environment, lines[0] if lines else ""
        )
        return Answer("engine answers", True, "yes")

    def _image(self) -> Answer:
        arguments = ["image", "inspect", "--format", "{{.Id}}", self.settings.image]
        code, lines = self._ask(arguments, _QUICK_SECONDS)
        if code != 0:
            return Answer("image", False, *self._problem(code, lines))
        return Answer("image", True, lines[0][:19] if lines else "there")

    def _bundle(self) -> Answer:
        inside = self.settings.in_container
        bundle = IN_CONTAINER.bundle if inside else self.settings.bundle
        code, lines = self._deeprac(["bundle", "check", bundle])
        if code != 0:
            return Answer("bundle", False, *self._problem(code, lines))
        said = lines[-1] if lines else "valid"
        return Answer("bundle", True, said.partition(".zip: ")[2] or said)

    def _gpu(self) -> Answer:
        settings = self.settings
        if settings.device == "cpu":
            return Answer("GPU", None, "not asked for: cpu is chosen")
        if not settings.in_container:
            self.machine = Machine.here(settings, self.environment)
        if not self.machine.gpu:
            what = "This machine has no NVIDIA driver (nvidia-smi)."
            if settings.device == "auto":
                return Answer("GPU", None, f"{what} auto will take the CPU.")
            return Answer("GPU", False, what, "Install it, or choose cpu as device.")
        if not settings.in_container:
            return Answer("GPU", True, "this machine has an NVIDIA driver")
        return self._gpu_in_container()

    def _gpu_in_container(self) -> Answer:
        """Whether PyTorch sees it there: the driver alone says little."""
        code, lines = self._container(
            ["-c", "import torch; print(torch.cuda.device_count())"],
            self.settings,
            ["--entrypoint", "python3"],
        )
        if code != 0:
            return Answer("GPU", False, *self._problem(code, lines))
        count = lines[-1].strip() if lines else "0"
        return Answer(
            "GPU",
            count != "0",
            f"GPUs seen in the container: {count}",
            "Install the NVIDIA Container Toolkit, use an image with CUDA, or choose "
            "cpu as device.",
        )

    def _deeprac(self, arguments: list[str]) -> tuple[int, list[str]]:
        if not self.settings.in_container:
            return self._ask(arguments, _CONTAINER_SECONDS)
        return self._container(arguments, replace(self.settings, device="cpu"), [])

    def _container(
        self, arguments: list[str], settings: Settings, options: list[str]
    ) -> tuple[int, list[str]]:
        """Run something in the image as a run would be, and remove the container."""
        name = f"deeprac-check-{uuid.uuid4().hex}"
        mounts = [mount(settings.bundle, IN_CONTAINER.bundle)]
        engine = container_arguments(settings, name, self.machine, mounts)
        engine = [*engine[:-1], *options, engine[-1]]
        try:
            return self._ask([*engine, *arguments], _CONTAINER_SECONDS)
        finally:
            self._ask(["rm", "--force", name], _QUICK_SECONDS)

    def _ask(self, arguments: Sequence[str], seconds: float) -> tuple[int, list[str]]:
        """Exit code and lines; a program that does not answer has code 124."""
        try:
            done = subprocess.run(
                [self.program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                env=self.environment,
                timeout=seconds,
                creationflags=_NO_WINDOW,
            )
        except subprocess.TimeoutExpired:
            return 124, [f"no answer within {seconds} s"]
        except OSError as error:
            return 126, [str(error)]
        return done.returncode, done.stdout.decode("utf-8", "replace").splitlines()

    def _problem(self, code: int, lines: list[str]) -> Problem:
        if code == 124:
            return Problem(
                f"{os.path.basename(self.program)} gives no answer: {lines[-1]}.",
                "Restart the container engine.",
            )
        return explain(Ending(code), lines, self.settings.in_container)
