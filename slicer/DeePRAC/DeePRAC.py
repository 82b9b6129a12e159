"""DeePRAC in 3D Slicer: segment a CT with a trained bundle, look, correct, measure.

The only file that imports Slicer; what can be done without it is ``DeePRACLib``.
"""

from __future__ import annotations

import runpy
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from pathlib import Path

import ctk
import qt
import slicer
import vtk
from DeePRACLib.background import Background
from DeePRACLib.checks import Checker
from DeePRACLib.command import LABELS, MEASURE, SEGMENT, VOLUME
from DeePRACLib.errors import Problem, ProblemError
from DeePRACLib.events import LOG, time_left
from DeePRACLib.results import REPORT, keep_result, read_result
from DeePRACLib.runner import Runner, State, slicer_python
from DeePRACLib.scene import Scene
from DeePRACLib.settings import Settings, parse_folds
from DeePRACLib.texts import NOTICE, answers_html, problem_html, result_html
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

POLL_MS = 100
SETTINGS_KEY = "DeePRAC/settings"

FIELDS = {
    "backend": ("backendBox", "currentText"),
    "program": ("programPath", "currentPath"),
    "image": ("imageEdit", "text"),
    "bundle": ("bundlePath", "currentPath"),
    "device": ("deviceBox", "currentText"),
    "gpu": ("gpuEdit", "text"),
    "batch": ("batchSpin", "value"),
    "timepoint": ("timepointBox", "currentText"),
    "margin_mm": ("marginSpin", "value"),
    "postprocessing": ("postprocessingBox", "checked"),
    "memory_gib": ("memorySpin", "value"),
    "temporary_folder": ("temporaryPath", "currentPath"),
    "results_folder": ("resultsPath", "currentPath"),
}
"""Widget and property of each setting but the folds and the age."""


class DeePRAC(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title, parent.categories = "DeePRAC", ["Segmentation"]
        parent.contributors = ["The DeePRAC authors"]
        parent.helpText = f"Kidneys and renal tumours on CT. {NOTICE}"


class DeePRACWidget(ScriptedLoadableModuleWidget):
    """The panel: settings, Check, Run or Cancel, what came of it."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.scene = DeePRACLogic().scene
        self.runner = self.checking = None
        self.answers, self.job, self.page = [], None, ""

    def setup(self):
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/DeePRAC.ui"))
        self.layout.addWidget(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        ui = self.ui = slicer.util.childWidgetVariables(panel)
        ui.noticeLabel.setText(NOTICE)
        kinds = {
            ui.volumeSelector: "vtkMRMLScalarVolumeNode",
            ui.segmentationSelector: "vtkMRMLSegmentationNode",
        }
        for selector, kind in kinds.items():
            selector.nodeTypes = [kind]
            selector.addEnabled = selector.removeEnabled = False
            selector.noneEnabled = True
        for path in (ui.bundlePath, ui.programPath):
            path.filters = ctk.ctkPathLineEdit.Files
        for path in (ui.temporaryPath, ui.resultsPath):
            path.filters = ctk.ctkPathLineEdit.Dirs
        for section in (ui.advancedSection, ui.correctionSection, ui.logSection):
            section.collapsed = True
        ui.checkButton.clicked.connect(self.onCheck)
        ui.runButton.clicked.connect(self.onRun)
        ui.measureButton.clicked.connect(self.onMeasure)
        ui.pageButton.clicked.connect(self.onPage)
        self.timer = qt.QTimer()
        self.timer.setInterval(POLL_MS)
        self.timer.timeout.connect(self.onTimer)
        self.show(self.stored())

    def cleanup(self):
        """Slicer closes: what runs is ended, without waiting for it."""
        self.timer.stop()
        if self.runner is not None:
            self.runner.close()

    def stored(self):
        """The settings of the last session, else the defaults."""
        try:
            return Settings.from_json(qt.QSettings().value(SETTINGS_KEY) or "")
        except (TypeError, ValueError):
            return Settings()

    def show(self, settings):
        """Put settings into the fields."""
        for key, (widget, name) in FIELDS.items():
            getattr(self.ui, widget).setProperty(name, getattr(settings, key))
        self.ui.foldsEdit.setText(", ".join(map(str, settings.folds)))

    def settings(self):
        """The settings in the fields; the age, being a patient's, is not stored."""
        values = {}
        for key, (widget, name) in FIELDS.items():
            value = getattr(self.ui, widget).property(name)
            values[key] = type(getattr(Settings, key))(value)
        folds = parse_folds(self.ui.foldsEdit.property("text"))
        settings = Settings(folds=folds, **values)
        qt.QSettings().setValue(SETTINGS_KEY, settings.to_json())
        age = self.ui.ageSpin.property("value")
        return replace(settings, age_years=age) if age >= 0 else settings

    def onCheck(self, *_):
        """Ask engine, image, GPU, bundle and disk."""
        with self.shown():
            self.clear()
            checker = Checker(self.settings(), slicer.util.startupEnvironment())
            self.answers = []
            self.checking = Background(checker.answers())
            self.ui.stageLabel.setText("Checking ...")
            self.enable(checking=True)
            self.timer.start()

    def onRun(self, *_):
        """Run, or cancel what runs."""
        if self.runner is not None:
            self.runner.stop()
            self.ui.runButton.setEnabled(False)
            self.ui.stageLabel.setText("Cancelling ...")
            return
        with self.shown():
            self.start(SEGMENT, None)

    def onMeasure(self, *_):
        """Measure a segmentation that was corrected by hand."""
        with self.shown():
            segmentation = self.ui.segmentationSelector.currentNode()
            if segmentation is None:
                raise ProblemError("No segmentation is chosen.", "Choose one.")
            self.start(MEASURE, segmentation)

    def onPage(self, *_):
        """Open the page of the last result that was kept."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(self.page))

    def start(self, task, segmentation):
        """Write what is needed into a private folder and start."""
        self.clear()
        settings = self.settings()
        for problem in settings.problems():
            raise ProblemError(*problem)
        volume = self.ui.volumeSelector.currentNode()
        grid = self.scene.grid(volume)
        environment = slicer.util.startupEnvironment()
        runner = Runner(settings.temporary_folder, slicer_python(), environment)
        try:
            folder = Path(runner.folder, "input")
            self.scene.save(volume, str(folder / VOLUME))
            if segmentation is not None:
                self.scene.save(segmentation, str(folder / LABELS))
            runner.start(task, settings, lambda output: read_result(output, grid))
        except BaseException:
            runner.close()
            raise
        self.runner = runner
        self.job = (task, volume, settings.results_folder)
        self.ui.stageLabel.setText("Starting ...")
        self.enable(running=True)
        self.timer.start()

    def clear(self):
        """Nothing of an earlier run stands beside what comes now."""
        self.ui.report.setHtml("")
        self.ui.stageLabel.setText("")
        self.ui.logText.setPlainText("")
        self.ui.progressBar.setValue(0)
        self.ui.measuresView.setVisible(False)

    def enable(self, running=False, checking=False):
        """What can be pressed."""
        self.ui.runButton.setText("Cancel" if running else "Run")
        self.ui.runButton.setEnabled(not checking)
        for name in ("checkButton", "measureButton", "volumeSelector"):
            getattr(self.ui, name).setEnabled(not (running or checking))

    def onTimer(self):
        """Show what has come since the last time."""
        with self.shown():
            if self.checking is not None:
                self.pollCheck()
            if self.runner is not None:
                self.pollRun()
        if self.checking is None and self.runner is None:
            self.timer.stop()

    def pollCheck(self):
        """Show the answers so far."""
        self.answers += self.checking.poll()
        self.ui.report.setHtml(answers_html(self.answers))
        if self.checking.is_over:
            error, self.checking = self.checking.error, None
            good = error is None and all(one.ok is not False for one in self.answers)
            self.ui.stageLabel.setText("Ready to run." if good else "Not ready.")
            self.enable()
            if error is not None:
                raise error

    def pollRun(self):
        """Show progress and log; at the end, what came of it."""
        for event in self.runner.poll():
            if event.kind == LOG:
                self.ui.logText.appendPlainText(event.message)
            elif event.kind == "progress":
                words = (event.stage, time_left(event.seconds_left))
                self.ui.stageLabel.setText(", ".join(filter(None, words)))
            elif event.message:
                # Which device was taken, and why, must not be overlooked.
                self.ui.report.append(escape(event.message))
            if event.fraction is not None:
                self.ui.progressBar.setValue(round(1000 * event.fraction))
        if self.runner.is_over:
            runner, self.runner = self.runner, None
            self.enable()
            try:
                self.finish(runner)
            finally:
                runner.close()

    def finish(self, runner):
        """Show the result, or why there is none."""
        self.ui.progressBar.setValue(1000 if runner.state is State.DONE else 0)
        if runner.state is State.CANCELLED:
            left = ", ".join(runner.left) or "nothing"
            self.ui.stageLabel.setText(f"Cancelled. Left behind: {left}.")
        elif runner.state is State.FAILED:
            self.ui.stageLabel.setText("Failed.")
            raise ProblemError(*runner.problem)
        else:
            task, volume, kept = self.job
            self.ui.report.setHtml(result_html(runner.result))
            table = self.scene.load(task, runner.result, volume)
            self.ui.measuresView.setMRMLTableNode(table)
            self.ui.measuresView.setVisible(True)
            self.ui.stageLabel.setText("Done.")
            if kept:
                folder = keep_result(runner.result, kept)
                self.page = str(Path(folder, REPORT))
                self.ui.pageButton.setEnabled(Path(self.page).is_file())
                self.ui.stageLabel.setText(f"Done. All files are in {folder}.")

    @contextmanager
    def shown(self):
        """Show what goes wrong in the window, not only in a console."""
        try:
            yield
        except ProblemError as error:
            self.ui.report.setHtml(problem_html(error.problem))
        except (OSError, RuntimeError, ValueError) as error:
            self.ui.report.setHtml(problem_html(Problem(str(error), "See the log.")))


class DeePRACLogic(ScriptedLoadableModuleLogic):
    """What needs the scene; ``DeePRACLib.scene`` says what."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self.scene = Scene(slicer, vtk.vtkMatrix4x4)


class DeePRACTest(ScriptedLoadableModuleTest):
    """Slicer's button Reload and Test."""

    def runTest(self):
        """A whole run with a stand-in for ``deeprac``."""
        script = Path(__file__).parent / "Testing" / "Python" / "whole_run.py"
        runpy.run_path(str(script))["whole_run"]()
