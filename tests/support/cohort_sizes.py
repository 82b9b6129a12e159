"""A converted cohort of which only the sizes are there."""

from deeprac.layout import Layout
from deeprac.records.cases import CASES_COLUMNS, CaseRow, write_cases


def _case(name: str, *size: int) -> CaseRow:
    """A row of cases.csv with what an extent reads."""
    values = dict.fromkeys(CASES_COLUMNS, 0) | {"case": name, "patient": name}
    paths = {"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz"}
    sizes = dict(zip(("size_x", "size_y", "size_z"), size, strict=True))
    return CaseRow(**(values | paths | sizes))


def write_sizes(layout: Layout) -> None:
    """Write two cases of unequal sizes, their label maps of 30 and of 12 bytes."""
    write_cases(layout.cases_csv, [_case("a", 40, 30, 7), _case("b", 20, 50, 5)])
    layout.labels.mkdir(parents=True)
    for name, size in (("a", 30), ("b", 12)):
        (layout.labels / f"{name}.nii.gz").write_bytes(bytes(size))
