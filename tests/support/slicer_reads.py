"""What 3D Slicer's own classes read of a result, as JSON; run where slicer-core is.

``python slicer_reads.py FOLDER``: no module of ours is imported.
"""

import json
import sys
from pathlib import Path

import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def segmentation(path, scene):
    """Name, colour, terminology, and middle of the voxels in RAS, of each segment."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node), path.name
    read = {}
    for index in range(node.GetSegmentation().GetNumberOfSegments()):
        segment = node.GetSegmentation().GetNthSegment(index)
        entry = vtk.reference("")
        segment.GetTag("TerminologyEntry", entry)
        image = segment.GetRepresentation("Binary labelmap")
        place = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(place)
        ranges = image.GetExtent()
        size = [ranges[2 * axis + 1] - ranges[2 * axis] + 1 for axis in range(3)]
        array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(size[::-1])
        found = (array == segment.GetLabelValue()).nonzero()
        middle = [float(found[2 - axis].mean()) + ranges[2 * axis] for axis in range(3)]
        read[segment.GetName()] = {
            "colour": segment.GetColor(),
            "terminology": str(entry),
            "voxels": len(found[0]),
            "middle_ras_mm": place.MultiplyPoint([*middle, 1])[:3],
        }
    return read


def model(path, scene):
    """Bounds, volume and space of a mesh; points are RAS once they are read."""
    node = scene.AddNewNodeByClass("vtkMRMLModelNode")
    storage = slicer.vtkMRMLModelStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node), path.name
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputData(node.GetPolyData())
    mass = vtk.vtkMassProperties()
    mass.SetInputConnection(triangles.GetOutputPort())
    return {
        "bounds_ras_mm": node.GetPolyData().GetBounds(),
        "volume_ml": mass.GetVolume() / 1000,
        "space": storage.GetCoordinateSystemAsString(storage.GetCoordinateSystem()),
    }


def main(folder):
    """Print what is read."""
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    print(
        json.dumps(
            {
                "segments": segmentation(folder / "segmentation.seg.nrrd", scene),
                "models": {
                    path.name: model(path, scene)
                    for path in sorted((folder / "models").iterdir())
                    if path.suffix != ".glb"
                },
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
