import subprocess
import sys

import pytest

SLOW = ("torch", "nnunetv2")


@pytest.mark.parametrize("package", ["evaluation", "reporting"])
def test_reviewers_need_no_torch(package):
    code = (
        "import importlib, pkgutil, sys\n"
        f"import deeprac.{package} as package\n"
        "names = pkgutil.walk_packages(package.__path__, package.__name__ + '.')\n"
        "for module in [name.name for name in names]: importlib.import_module(module)\n"
        f"print(*[name for name in {SLOW!r} if name in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.stderr) == ("\n", "")
