"""Plant known bugs one at a time and see whether the tests notice.

Usage, from the root of the checkout, in about three minutes on two cores:

    python tests/mutations.py            # the table, in Markdown
    python tests/mutations.py --only dice

Each bug is one replaced text in a copy of ``src``; the checkout itself is not touched.
The tests that should notice it are those of the part, without the slow ones, so that a
caught bug is one that ``make check`` shows. Exits with 1 if a bug is missed, or if the
text that it replaces is no longer there: then correct the entry below.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAST = "not slow and not browser"
WORKERS = 2


@dataclass(frozen=True)
class Mutation:
    """A bug and who should notice it.

    Attributes:
        name: What goes wrong.
        room: Folder of ``src/deeprac`` in one of whose files the text stands, once.
        before: The right text.
        after: The wrong one.
        tests: Files in ``tests/unit``, without ``test_`` and ending.
    """

    name: str
    room: str
    before: str
    after: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "geometry: the inverse's derivative has the wrong sign",
        "geometry",
        "return -(inverse[:, :, :2].mT @ inner)",
        "return inverse[:, :, :2].mT @ inner",
        ("similarity", "stn_unet"),
    ),
    Mutation(
        "training: a replayed step reads the first batch again",
        "training",
        "buffer.copy_(entry, non_blocking=True)",
        "self.calls or buffer.copy_(entry, non_blocking=True)",
        ("capture",),
    ),
    Mutation(
        "lease: a living process is taken for a dead one",
        ".",
        "if self.boot != boot_identity():\n            return True",
        "if self.boot == boot_identity():\n            return True",
        ("lease",),
    ),
    Mutation(
        "geometry: points are taken as (y, x)",
        "geometry",
        "return points.float() @ a_from_b",
        "return points.flip(-1).float() @ a_from_b",
        ("similarity", "warp", "round_trip"),
    ),
    Mutation(
        "geometry: the rotation is transposed",
        "geometry",
        "torch.stack([cos, -sin, x, sin, cos, y], -1)",
        "torch.stack([cos, sin, x, -sin, cos, y], -1)",
        ("similarity", "warp", "moments"),
    ),
    Mutation(
        "geometry: transforms are composed in the other order",
        "geometry",
        "return a_from_b[:, :, :2] @ b_from_c.float() + shift",
        "return b_from_c[:, :, :2].float() @ a_from_b + shift",
        ("similarity", "crops"),
    ),
    Mutation(
        "geometry: images are sampled with align_corners",
        "geometry",
        'else "zeros",\n        align_corners=False',
        'else "zeros",\n        align_corners=True',
        ("warp", "round_trip"),
    ),
    Mutation(
        "geometry: pixel centres lie half a pixel off in x",
        "geometry",
        "x = (2 * torch.arange(width, device=device) + 1) / width - 1",
        "x = (2 * torch.arange(width, device=device)) / width - 1",
        ("warp", "moments", "round_trip"),
    ),
    Mutation(
        "geometry: the square of a native slice lies half a pixel off",
        "geometry",
        "return (2 * (np.asarray(points_px) + self.before[::-1]) + 1) / self.size - 1",
        "return 2 * (np.asarray(points_px) + self.before[::-1]) / self.size - 1",
        ("planar", "case_poses", "coverage", "poses", "diagnostics"),
    ),
    Mutation(
        "geometry: numpy's rotation is transposed",
        "geometry",
        "np.stack([cosine, -sine, sine, cosine], -1)",
        "np.stack([cosine, sine, -sine, cosine], -1)",
        ("planar", "poses"),
    ),
    Mutation(
        "metrics: Dice divides by the union",
        "evaluation",
        "total = self.predicted + self.expected\n",
        "total = 2 * (self.predicted + self.expected - self.shared)\n",
        ("overlap", "measure"),
    ),
    Mutation(
        "metrics: Dice of two empty masks is 1",
        "evaluation",
        "2 * self.shared / total if total else NAN",
        "2 * self.shared / total if total else 1.0",
        ("overlap", "measure", "conventions"),
    ),
    Mutation(
        "metrics: distances are measured with the spacing as (x, y, z)",
        "evaluation",
        "spacing_zyx_mm=np.asarray(spacing_zyx_mm),",
        "spacing_zyx_mm=np.asarray(spacing_zyx_mm)[::-1],",
        ("surface", "surface_monai"),
    ),
    Mutation(
        "metrics: areas are taken with the spacing as (x, y, z)",
        "evaluation",
        "surface_area(spacing_zyx_mm)",
        "surface_area(spacing_zyx_mm[::-1])",
        ("surface", "surface_monai"),
    ),
    Mutation(
        "readers: NIfTI's RAS is taken for LPS",
        "cohort",
        "np.array([[-1.0], [-1.0], [1.0]])",
        "np.array([[1.0], [1.0], [1.0]])",
        ("volume_files", "frame", "nnunet_raw"),
    ),
    Mutation(
        "readers: NIfTI's slope is ignored",
        "cohort",
        "slab if slope is None else slab * slope + intercept",
        "slab",
        ("volume_files", "intensity"),
    ),
    Mutation(
        "readers: DICOM's pixel spacing is taken as (columns, rows)",
        "cohort",
        "between_rows_mm, between_columns_mm = first.spacing_yx_mm",
        "between_columns_mm, between_rows_mm = first.spacing_yx_mm",
        ("dicom_geometry", "dicom_series"),
    ),
    Mutation(
        "readers: DICOM's slices are sorted downwards",
        "cohort",
        "(float(np.dot(h.position_mm, along)), h.sop_uid)",
        "(-float(np.dot(h.position_mm, along)), h.sop_uid)",
        ("dicom_geometry", "dicom_series"),
    ),
    Mutation(
        "readers: a kidney is painted over the tumour in it",
        "cohort",
        "where=rank[new] > rank[painted]",
        "where=rank[new] < rank[painted]",
        ("label_map", "totalsegmentator"),
    ),
    Mutation(
        "readers: labels are numbered in the order of their names",
        "cohort",
        "plain_name(name): numbers[title]",
        "plain_name(name): sorted(numbers).index(title)",
        ("label_map", "nnunet_raw", "msd"),
    ),
    Mutation(
        "splits: cases are dealt, not patients",
        "cohort",
        "by_fold[fold_of[patient]].append(case)",
        "by_fold[len(case + patient) % folds].append(case)",
        ("splits",),
    ),
    Mutation(
        "splits: a patient in train and val is not noticed",
        "cohort",
        "        if leaking:\n",
        "        if leaking and not val:\n",
        ("splits",),
    ),
)


def plant(mutation: Mutation, source: Path) -> bool:
    """Replace the text in a copy of ``src``; False if it is not there, once."""
    room = source / "deeprac" / mutation.room
    found = [path for path in room.rglob("*.py") if mutation.before in path.read_text()]
    if len(found) != 1 or found[0].read_text().count(mutation.before) != 1:
        return False
    text = found[0].read_text()
    found[0].write_text(text.replace(mutation.before, mutation.after))
    return True


def outcome(mutation: Mutation | None, tests: tuple[str, ...]) -> str:
    """Run the tests of a planted bug, or of none: passed, caught or what else."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source)
        for name in ("config", "resources", "workflow"):  # which the package reads
            (Path(folder) / name).symlink_to(ROOT / name)
        if mutation and not plant(mutation, source):
            return "text not found"
        files = [f"tests/unit/test_{name}.py" for name in tests]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", FAST]
        result = subprocess.run(
            [*command, "-p", "no:cacheprovider", *files],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if result.returncode == 0:
        return "missed" if mutation else "passed"
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAILED")]
    if result.returncode != 1 or not failed:
        return f"tests could not run: {result.stdout[-300:]}"
    return failed[0].split()[1].partition("::")[2].partition("[")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="bugs whose name has this text")
    only = parser.parse_args().only
    chosen = [mutation for mutation in MUTATIONS if only in mutation.name]
    everything = tuple(dict.fromkeys(name for m in chosen for name in m.tests))
    sound = outcome(None, everything)
    if sound != "passed":
        print(f"Without any bug the tests must pass; they did not: {sound}")
        return 1
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda m: outcome(m, m.tests), chosen))
    print("| planted bug | outcome | by |\n|---|---|---|")
    missed = 0
    for mutation, test in zip(chosen, found, strict=True):
        caught = test.startswith("test_")
        missed += not caught
        shown = ("caught", f"`{test}`") if caught else (f"**{test}**", "")
        print(f"| {mutation.name} | {' | '.join(shown)} |")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
