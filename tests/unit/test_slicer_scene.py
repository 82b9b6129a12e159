"""Volumes out of the scene and results into it, with nodes that only keep calls."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from DeePRACLib.command import MEASURE, SEGMENT
from DeePRACLib.errors import ProblemError
from DeePRACLib.results import Result
from DeePRACLib.scene import Scene

RESULT = Result("/run/output/result", "ok", (), {"files": {}})


class Matrix:
    """What is used of ``vtkMatrix4x4``."""

    def __init__(self):
        self.rows = [[float(i == j) for j in range(4)] for i in range(4)]

    def GetElement(self, row, column):  # noqa: N802 (VTK's name)
        return self.rows[row][column]


@pytest.fixture
def slicer():
    made = MagicMock()
    made.mrmlScene.IsNodePresent.return_value = True
    made.util.saveNode.return_value = True
    made.app.layoutManager.return_value.threeDViewCount = 2
    return made


@pytest.fixture
def scene(slicer):
    return Scene(slicer, Matrix)


def volume(transform=None):
    """A volume of 9 x 7 x 5 voxels, 2 mm along k, first voxel at RAS (1, 2, 3)."""

    def fill(matrix):
        for row, column, value in ((2, 2, 2.0), (0, 3, 1.0), (1, 3, 2.0), (2, 3, 3.0)):
            matrix.rows[row][column] = value

    image = SimpleNamespace(GetDimensions=lambda: (9, 7, 5))
    return SimpleNamespace(
        GetImageData=lambda: image,
        GetParentTransformNode=lambda: transform,
        GetIJKToRASMatrix=fill,
    )


def test_convention_the_grid_is_lps(scene):
    grid = scene.grid(volume())
    assert grid.size == (9, 7, 5)
    assert grid.spacing_mm == (1, 1, 2)
    assert grid.origin_mm == (-1, -2, 3)
    assert grid.direction == (-1, 0, 0, 0, -1, 0, 0, 0, 1)


def test_what_cannot_be_segmented_is_refused(scene):
    empty = SimpleNamespace(GetImageData=lambda: None)
    for nothing in (None, empty):
        with pytest.raises(ProblemError, match="No CT is chosen"):
            scene.grid(nothing)
    with pytest.raises(ProblemError, match="Harden transform"):
        scene.grid(volume(transform="a transform"))
    with pytest.raises(ProblemError, match="Harden transform"):
        scene.save(volume(transform="a transform"), "/run/input/ct.nrrd")


def test_a_node_that_is_not_written_is_noticed(scene, slicer):
    scene.save(volume(), "/run/input/ct.nrrd")
    slicer.util.saveNode.return_value = False
    with pytest.raises(ProblemError, match="could not write"):
        scene.save(volume(), "/run/input/ct.nrrd")


def test_a_result_is_shown_beside_its_volume(scene, slicer):
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode.return_value
    ct = volume()
    table = scene.load(SEGMENT, RESULT, ct)
    slicer.util.loadSegmentation.assert_called_once_with(
        "/run/output/result/segmentation.seg.nrrd"
    )
    segmentation = slicer.util.loadSegmentation.return_value
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode.assert_called_with(ct)
    segmentation.CreateClosedSurfaceRepresentation.assert_called_once_with()
    tree.SetItemParent.assert_called_once_with(
        tree.GetItemByDataNode.return_value, tree.GetItemParent.return_value
    )
    view = slicer.app.layoutManager().threeDWidget.return_value.threeDView()
    assert view.resetFocalPoint.call_count == 2
    assert table is slicer.util.loadTable.return_value


def test_nodes_are_parted_from_files_that_are_removed(scene, slicer):
    scene.load(SEGMENT, RESULT, volume())
    removed = [call.args[0] for call in slicer.mrmlScene.RemoveNode.call_args_list]
    segmentation = slicer.util.loadSegmentation.return_value
    table = slicer.util.loadTable.return_value
    assert removed == [segmentation.GetStorageNode(), table.GetStorageNode()]


def test_measuring_brings_no_second_segmentation(scene, slicer):
    scene.load(MEASURE, RESULT, volume())
    slicer.util.loadSegmentation.assert_not_called()


def test_a_volume_that_was_closed_meanwhile(scene, slicer):
    slicer.mrmlScene.IsNodePresent.return_value = False
    with pytest.raises(ProblemError, match="not in the scene any more"):
        scene.load(SEGMENT, RESULT, volume())
    slicer.util.loadSegmentation.assert_not_called()


def test_without_a_window_there_is_no_view_to_centre(scene, slicer):
    slicer.app.layoutManager.return_value = None
    scene.load(SEGMENT, RESULT, volume())
