"""A volume out of Slicer's scene, and a verified result into it.

``slicer`` is handed in: the library imports nothing of it, and runs without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .command import SEGMENT
from .errors import ProblemError
from .results import MEASURES, SEGMENTATION, Grid, Result


class Scene:
    """What the module does with nodes.

    Args:
        slicer: the module ``slicer``.
        matrix: makes a ``vtkMatrix4x4``.
    """

    def __init__(self, slicer: Any, matrix: Callable[[], Any]) -> None:
        self.slicer = slicer
        self.matrix = matrix

    def grid(self, volume: Any) -> Grid:
        """Grid of a volume that can be segmented.

        Raises:
            ProblemError: there is none, or it lies under a transform.
        """
        if volume is None or volume.GetImageData() is None:
            raise ProblemError("No CT is chosen.", "Load one and choose it.")
        self.refuse_transform(volume)
        matrix = self.matrix()
        volume.GetIJKToRASMatrix(matrix)
        rows = [[matrix.GetElement(row, n) for n in range(4)] for row in range(4)]
        return Grid.from_ijk_to_ras(rows, volume.GetImageData().GetDimensions())

    def refuse_transform(self, node: Any) -> None:
        """What is on the screen must be what is in the file.

        Raises:
            ProblemError: the node lies under a transform.
        """
        if node.GetParentTransformNode() is not None:
            raise ProblemError(
                "It lies under a transform, which its file would not have.",
                "In the Data module, right-click it and choose Harden transform, or "
                "take the transform off; then run again.",
            )

    def save(self, node: Any, path: str) -> None:
        """Write a node; uncompressed, as it is read once and removed.

        Raises:
            ProblemError: it lies under a transform, or could not be written.
        """
        self.refuse_transform(node)
        if not self.slicer.util.saveNode(node, path, {"useCompression": 0}):
            raise ProblemError(
                "Slicer could not write the run's input.",
                "Is the disk full? Choose another temporary folder.",
            )

    def load(self, task: str, result: Result, volume: Any) -> Any:
        """Bring a result into the scene.

        Args:
            task: a segmentation is loaded only where one was made.
            result: verified.
            volume: the CT that it belongs to.

        Returns:
            The node of the table of measures.

        Raises:
            ProblemError: the CT is gone.
        """
        if not self.slicer.mrmlScene.IsNodePresent(volume):
            raise ProblemError(
                "The CT is not in the scene any more.", "Load it and run again."
            )
        if task == SEGMENT:
            self._load_segmentation(result.path(SEGMENTATION), volume)
        table = self.slicer.util.loadTable(result.path(MEASURES))
        self._own(table, "DeePRAC measures")
        return table

    def _load_segmentation(self, path: str, volume: Any) -> None:
        """Segments with the CT's geometry, beside the CT, shown and centred in 3D."""
        slicer = self.slicer
        segmentation = slicer.util.loadSegmentation(path)
        self._own(segmentation, "DeePRAC segmentation")
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(
            slicer.mrmlScene
        )
        parent = tree.GetItemParent(tree.GetItemByDataNode(volume))
        tree.SetItemParent(tree.GetItemByDataNode(segmentation), parent)
        segmentation.CreateClosedSurfaceRepresentation()
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        layout = slicer.app.layoutManager()
        for number in range(layout.threeDViewCount if layout else 0):
            layout.threeDWidget(number).threeDView().resetFocalPoint()

    def _own(self, node: Any, name: str) -> None:
        """Name a loaded node, and part it from its file, which is removed."""
        node.SetName(self.slicer.mrmlScene.GenerateUniqueName(name))
        storage = node.GetStorageNode()
        if storage is not None:
            self.slicer.mrmlScene.RemoveNode(storage)
