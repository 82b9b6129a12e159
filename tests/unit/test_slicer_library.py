"""What Slicer's Python must be able to run: 3.9, with its standard library alone."""

import ast
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).parents[2] / "slicer" / "DeePRAC"
LIBRARY = sorted((MODULE / "DeePRACLib").glob("*.py"))
SCRIPTS = [*LIBRARY, *sorted(MODULE.glob("*.py")), *sorted(MODULE.glob("*/*.py"))]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_the_library_needs_the_standard_library_alone(path):
    names = {name.partition(".")[0] for name in imports(path)}
    assert names <= set(sys.stdlib_module_names)
    new = {"tomllib", "zoneinfo_data"}
    assert not names & new


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_syntax_of_python_3_9(path):
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    # What parses and yet fails there: unions that are evaluated.
    future = any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for node in tree.body
    )
    assert future or path.stem == "__init__"


def test_qt_and_slicer_are_imported_by_the_module_alone():
    for path in LIBRARY:
        assert not {"qt", "ctk", "slicer", "vtk"} & set(imports(path)), path.name


def test_nothing_goes_through_a_shell():
    for path in SCRIPTS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword):
                assert node.arg != "shell", path.name
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("system", "popen"), path.name
