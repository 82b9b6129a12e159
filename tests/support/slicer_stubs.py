"""Stand-ins for ``qt``, ``ctk`` and ``slicer``, enough for the module's panel.

Qt is PySide6, offscreen; nodes keep what they are given, volumes and segmentations are
read and written by SimpleITK. What Slicer itself does with a file is tested elsewhere,
with its own readers.
"""

import csv
import fnmatch
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import SimpleITK as sitk
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets


class Node:
    """A node of the scene, of any class."""

    def __init__(self, kind, name=""):
        self.kind, self.name, self.calls = kind, name, []
        self.transform = self.storage = None
        self.spacing, self.origin = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
        self.array = None
        self.names, self.rows = {}, []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments: self.calls.append((name, arguments))

    def GetName(self):
        return self.name

    def SetName(self, name):
        self.name = name

    def GetID(self):
        return f"{self.kind}{id(self)}"

    def GetImageData(self):
        if self.array is None:
            return None
        return SimpleNamespace(GetDimensions=lambda: self.array.shape[::-1])

    def SetSpacing(self, *spacing):
        self.spacing = spacing

    def SetOrigin(self, *origin):
        self.origin = origin

    def GetIJKToRASMatrix(self, matrix):
        for axis in range(3):
            matrix.SetElement(axis, axis, self.spacing[axis])
            matrix.SetElement(axis, 3, self.origin[axis])

    def GetParentTransformNode(self):
        return self.transform

    def SetAndObserveTransformNodeID(self, node_id):
        self.transform = node_id

    def GetStorageNode(self):
        return self.storage

    def GetSegmentation(self):
        return self

    def GetSegment(self, segment):
        return Node("vtkSegment", self.names[segment])

    def GetNumberOfRows(self):
        return len(self.rows)


class Tree:
    """The subject hierarchy."""

    def __init__(self):
        self.parents = {}

    def GetItemByDataNode(self, node):
        return id(node)

    def GetItemParent(self, item):
        return self.parents.get(item, 7)

    def SetItemParent(self, item, parent):
        self.parents[item] = parent


class Scene:
    """All nodes."""

    def __init__(self):
        self.nodes, self.tree = [], Tree()

    def AddNewNodeByClass(self, kind, name=""):
        node = Node(kind, name)
        self.nodes.append(node)
        return node

    def IsNodePresent(self, node):
        return node in self.nodes

    def GenerateUniqueName(self, name):
        return name

    def RemoveNode(self, node):
        self.nodes = [one for one in self.nodes if one is not node]


class qMRMLWidget(QtWidgets.QWidget):
    """The outermost widget of a panel."""

    def setMRMLScene(self, scene):
        self.scene = scene


class qMRMLNodeComboBox(QtWidgets.QComboBox):
    """Chooses a node; the test says which."""

    node = None

    def setCurrentNode(self, node):
        self.node = node
        self.clear()
        self.addItem(node.GetName() if node else "None")

    def currentNode(self):
        return self.node


class qMRMLTableView(QtWidgets.QTableWidget):
    """Shows the rows of a table node."""

    def setMRMLTableNode(self, node):
        rows = node.rows
        self.setColumnCount(len(rows[0]))
        self.setRowCount(len(rows))
        self.setHorizontalHeaderLabels(list(rows[0]))
        for row, values in enumerate(rows):
            for column, value in enumerate(values.values()):
                self.setItem(row, column, QtWidgets.QTableWidgetItem(value))


class ctkPathLineEdit(QtWidgets.QLineEdit):
    """A path in a line."""

    Files, Dirs = 1, 2

    def _set(self, path):
        self.setText(path)

    currentPath = QtCore.Property(str, QtWidgets.QLineEdit.text, _set)


class ctkCollapsibleButton(QtWidgets.QGroupBox):
    """A titled box that hides what is in it."""

    def _text(self):
        return self.title()

    text = QtCore.Property(str, _text, QtWidgets.QGroupBox.setTitle)

    @property
    def collapsed(self):
        return not self.isVisible()

    @collapsed.setter
    def collapsed(self, collapsed):
        self.setVisible(not collapsed)


WIDGETS = (
    qMRMLWidget,
    qMRMLNodeComboBox,
    qMRMLTableView,
    ctkPathLineEdit,
    ctkCollapsibleButton,
)


def load_ui(path):
    loader = QtUiTools.QUiLoader()
    for widget in WIDGETS:
        loader.registerCustomWidget(widget)
    return loader.load(str(path))


def save_node(node, path, _properties=None):
    array = np.zeros((2, 2, 2), np.int16) if node.array is None else node.array
    volume = sitk.GetImageFromArray(array)
    volume.SetSpacing(node.spacing)
    x, y, z = node.origin
    volume.SetOrigin((-x, -y, z))
    volume.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(volume, str(path))
    return True


def load_segmentation(path):
    volume = sitk.ReadImage(str(path))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    name = volume.GetMetaData("Segment0_Name")
    node.names = {volume.GetMetaData("Segment0_ID"): name}
    node.storage = Node("vtkMRMLSegmentationStorageNode")
    return node


def load_table(path):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    with Path(path).open(newline="") as stream:
        node.rows = list(csv.DictReader(stream))
    return node


def update_volume(node, array):
    node.array = array


def get_node(pattern):
    nodes = slicer.mrmlScene.nodes
    return next(one for one in nodes if fnmatch.fnmatch(one.name, pattern))


def child_variables(panel):
    children = panel.findChildren(QtWidgets.QWidget)
    named = {one.objectName(): one for one in children if one.objectName()}
    return SimpleNamespace(**named)


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        self.parent = parent
        self.layout = QtWidgets.QVBoxLayout(parent)

    def setup(self):
        pass

    def resourcePath(self, name):
        folder = Path(sys.modules["DeePRAC"].__file__).parent
        return str(folder / "Resources" / name)


def _modules():
    qt = ModuleType("qt")
    for source in (QtCore, QtGui, QtWidgets):
        vars(qt).update({name: getattr(source, name) for name in dir(source)})
    ctk = ModuleType("ctk")
    ctk.ctkPathLineEdit = ctkPathLineEdit
    made = ModuleType("slicer")
    made.mrmlScene, made.qMRMLWidget = Scene(), qMRMLWidget
    made.vtkMRMLSubjectHierarchyNode = SimpleNamespace(
        GetSubjectHierarchyNode=lambda scene: scene.tree
    )
    view = Node("threeDView")
    made.view = view
    made.util = SimpleNamespace(
        loadUI=load_ui,
        childWidgetVariables=child_variables,
        saveNode=save_node,
        loadSegmentation=load_segmentation,
        loadTable=load_table,
        updateVolumeFromArray=update_volume,
        getNode=get_node,
        startupEnvironment=lambda: dict(os.environ),
        setSliceViewerLayers=lambda **_: None,
    )
    layout = SimpleNamespace(
        threeDViewCount=1,
        threeDWidget=lambda _: SimpleNamespace(threeDView=lambda: view),
    )
    made.app = SimpleNamespace(
        layoutManager=lambda: layout,
        processEvents=QtWidgets.QApplication.processEvents,
    )
    base = ModuleType("slicer.ScriptedLoadableModule")
    for one in (ScriptedLoadableModule, ScriptedLoadableModuleWidget):
        setattr(base, one.__name__, one)
    for name in ("ScriptedLoadableModuleLogic", "ScriptedLoadableModuleTest"):
        setattr(base, name, type(name, (), {"__init__": lambda self: None}))
    made.ScriptedLoadableModule = base
    return {"qt": qt, "ctk": ctk, "slicer": made, base.__name__: base}


application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
_made = _modules()
slicer = _made["slicer"]
sys.modules.update(_made)
