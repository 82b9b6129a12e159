"""A whole run of the module inside Slicer, with a stand-in for ``deeprac``.

In a real Slicer::

    Slicer --testing --no-splash --no-main-window --additional-module-paths
        slicer/DeePRAC --python-script slicer/DeePRAC/Testing/Python/whole_run.py

It ends with exit code 0, or 1 and a traceback. The project's own tests run it with
stand-ins for Slicer; it has not been run in a real one yet.
"""

import os
import stat
import sys
import tempfile
import time
import traceback

import slicer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))
SECONDS = 60


def whole_run():
    """Segment a small volume, and look at what is in the scene afterwards."""
    from DeePRAC import DeePRACWidget
    from DeePRACLib.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        widget = DeePRACWidget(slicer.qMRMLWidget())
        widget.setup()
        try:
            volume = _volume()
            bundle = os.path.join(folder, "bundle.zip")
            with open(bundle, "wb") as stream:
                stream.write(b"PK")
            settings = Settings(
                backend="local", program=_program(folder), bundle=bundle, device="cpu"
            )
            _press(widget, settings, volume)
            _check(widget, volume)
            _refused_under_a_transform(widget, volume)
        finally:
            widget.cleanup()


def _press(widget, settings, volume):
    widget.show(settings)
    widget.ui.volumeSelector.setCurrentNode(volume)
    widget.onRun()
    deadline = time.monotonic() + SECONDS
    while widget.runner is not None:
        slicer.app.processEvents()
        assert time.monotonic() < deadline, "the run does not end"
        time.sleep(0.05)


def _check(widget, volume):
    said = widget.ui.report.toPlainText()
    assert "One kidney was found instead of two." in said, said
    segmentation = slicer.util.getNode("DeePRAC segmentation*")
    names = segmentation.GetSegmentation().GetSegment("kidney_left").GetName()
    assert names == "Left kidney", names
    table = slicer.util.getNode("DeePRAC measures*")
    assert table.GetNumberOfRows() == 2, table.GetNumberOfRows()
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parents = [
        tree.GetItemParent(tree.GetItemByDataNode(node))
        for node in (volume, segmentation)
    ]
    assert parents[0] == parents[1], parents


def _refused_under_a_transform(widget, volume):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    widget.onRun()
    assert widget.runner is None
    assert "Harden transform" in widget.ui.report.toPlainText()
    volume.SetAndObserveTransformNodeID(None)


def _volume():
    import numpy as np

    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(volume, np.zeros((5, 7, 9), np.int16))
    volume.SetSpacing(0.7, 0.7, 3.0)
    volume.SetOrigin(40.0, -10.0, 5.0)
    volume.CreateDefaultDisplayNodes()
    return volume


def _program(folder):
    from DeePRACLib.runner import slicer_python

    stand_in = os.path.join(HERE, "stand_in_deeprac.py")
    windows = os.name == "nt"
    program = os.path.join(folder, "deeprac.bat" if windows else "deeprac")
    with open(program, "w", encoding="utf-8") as stream:
        if windows:
            stream.write(f'@"{slicer_python()}" "{stand_in}" %*\r\n')
        else:
            stream.write(f'#!/bin/sh\nexec "{slicer_python()}" "{stand_in}" "$@"\n')
    os.chmod(program, stat.S_IRWXU)
    return program


if __name__ == "__main__":
    try:
        whole_run()
    except BaseException:
        traceback.print_exc()
        slicer.util.exit(1)
    else:
        slicer.util.exit(0)
