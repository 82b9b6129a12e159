"""Presses the buttons of the module's panel and writes what it shows.

Run as a program with PySide6 on the path: ``slicer_panel.py FOLDER``. It leaves
screenshots and ``said.json``, the texts by picture, in the folder. The engine is fake.
"""

import json
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULE = HERE.parents[1] / "slicer" / "DeePRAC"
sys.path[:0] = [str(HERE.parent), str(MODULE)]

import numpy as np  # noqa: E402 (the path comes first)

from support import fake_engine, slicer_stubs  # noqa: E402 (as above)

import DeePRAC  # noqa: E402 isort: skip (the stubs come first)
from DeePRACLib.settings import Settings  # noqa: E402 isort: skip (as above)

CHECK_FAULTS = ("daemon off", "socket denied", "image missing", "folder unseen")


class Panel:
    """The panel in a window of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.state = folder / "engine"
        fake_engine.install(
            folder / "bin", [sys.executable, str(fake_engine.STAND_IN)], self.state
        )
        os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
        self.temporary, self.results = folder / "temporary", folder / "results"
        self.temporary.mkdir()
        self.results.mkdir()
        self.bundle = folder / "bundle.zip"
        self.bundle.write_bytes(b"PK")
        self.window = slicer_stubs.qMRMLWidget()
        self.widget = DeePRAC.DeePRACWidget(self.window)
        self.widget.setup()
        self.ui = self.widget.ui
        self.window.resize(520, 760)
        self.window.show()
        self.volume = slicer_stubs.slicer.mrmlScene.AddNewNodeByClass("volume", "CT")
        self.volume.array = np.zeros((5, 7, 9), np.int16)
        self.volume.SetSpacing(0.7, 0.7, 3.0)
        self.said = {}

    def settings(self, **changed):
        """Put usual settings, but for those given, into the fields."""
        usual = {
            "image": "deeprac-segment:0.1.0",
            "bundle": str(self.bundle),
            "temporary_folder": str(self.temporary),
            "results_folder": str(self.results),
        }
        self.widget.show(Settings(**(usual | changed)))

    def picture(self, name):
        """Keep what is on the screen under a name."""
        slicer_stubs.application.processEvents()
        self.window.grab().save(str(self.folder / f"{name}.png"))
        ui = self.ui
        self.said[name] = {
            "report": ui.report.toPlainText(),
            "stage": ui.stageLabel.text(),
            "button": ui.runButton.text(),
            "log": ui.logText.toPlainText(),
            "measures": ui.measuresView.isVisible(),
            "left": [one.name for one in self.temporary.iterdir()],
            "containers": len(list((self.state / "containers").iterdir())),
        }

    def wait(self, until):
        """Let Qt work until something holds; the longest that it was away."""
        deadline = time.monotonic() + 60
        longest = 0.0
        while not until():
            assert time.monotonic() < deadline, self.ui.stageLabel.text()
            before = time.monotonic()
            slicer_stubs.application.processEvents()
            longest = max(longest, time.monotonic() - before)
            time.sleep(0.02)
        return longest

    def check(self, name, fault="", **changed):
        """Press Check."""
        (self.state / "fault").write_text(fault)
        self.settings(**changed)
        self.ui.checkButton.click()
        self.wait(lambda: self.widget.checking is None)
        self.picture(name)
        (self.state / "fault").write_text("")

    def run(self, name, behaviour="", picture_at=None, cancel=False):
        """Press Run, and Cancel where asked; a picture while it runs, one after."""
        os.environ["STAND_IN"] = behaviour
        self.settings()
        self.ui.runButton.click()
        if picture_at:
            self.wait(lambda: picture_at in self.ui.stageLabel.text())
            self.picture(f"{name}_during")
        if cancel:
            self.ui.runButton.click()
            self.picture(f"{name}_cancelling")
        longest = self.wait(lambda: self.widget.runner is None)
        # Its folder is removed by another process.
        self.wait(lambda: not list(self.temporary.iterdir()))
        self.picture(name)
        return longest


def main(folder):
    """All pictures."""
    panel = Panel(folder)
    panel.settings(bundle="", image="")
    panel.picture("before_settings")
    panel.ui.runButton.click()
    panel.picture("run_without_settings")
    panel.settings()
    panel.ui.runButton.click()
    panel.picture("run_without_volume")
    panel.ui.volumeSelector.setCurrentNode(panel.volume)
    for fault in CHECK_FAULTS:
        panel.check(f"check_{fault.replace(' ', '_')}", fault)
    panel.check("check_no_engine", program=str(folder / "nowhere"))
    panel.check("check_no_gpu", device="cuda")
    panel.check("check_no_room_for_settings", bundle="/not/there.zip")
    panel.bundle.write_bytes(b"no zip")
    panel.check("check_bad_bundle")
    panel.bundle.write_bytes(b"PK")
    panel.check("check_good")
    longest = panel.run("run_good")
    panel.run("run_cancelled", "deaf", picture_at="network", cancel=True)
    for behaviour in ("cuda", "error", "wrong grid", "changed"):
        panel.run(f"run_{behaviour.replace(' ', '_')}", behaviour)
    os.environ["STAND_IN"] = ""
    scene = slicer_stubs.slicer.mrmlScene
    corrected = next(one for one in scene.nodes if "segmentation" in one.name)
    panel.ui.segmentationSelector.setCurrentNode(corrected)
    panel.ui.measureButton.click()
    panel.wait(lambda: panel.widget.runner is None)
    panel.picture("measured")
    panel.volume.transform = "a transform"
    panel.ui.runButton.click()
    panel.picture("run_under_transform")
    for section in ("advancedSection", "logSection", "correctionSection"):
        getattr(panel.ui, section).collapsed = False
    panel.picture("everything")
    panel.widget.cleanup()
    seen = {
        "said": panel.said,
        "longest_s": longest,
        "kept": sorted(one.name for one in next(panel.results.iterdir()).iterdir()),
        "centred": [name for name, _ in slicer_stubs.slicer.view.calls],
        "calls": [name for name, _ in corrected.calls],
        "nodes": [one.name for one in scene.nodes],
        "runs": len(fake_engine.calls(panel.state, "run")),
    }
    (folder / "said.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
