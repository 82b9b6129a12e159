import subprocess
import sys

from deeprac.records.catalogue import METRICS
from deeprac.records.metrics import METRIC_COLUMNS


def test_every_metric_column_is_described_once():
    assert tuple(METRICS) == METRIC_COLUMNS[8:]
    assert all(name == metric.name for name, metric in METRICS.items())
    named = [(metric.title, metric.unit) for metric in METRICS.values()]
    assert len(set(named)) == len(named)


def test_units_and_directions_fit_the_kind():
    units = {"share": "", "count": "", "mm": "mm", "ml": "ml", "percent": "%"}
    for metric in METRICS.values():
        assert metric.unit == units[metric.kind]
        if metric.kind in ("share", "mm"):
            assert metric.better == {"share": "high", "mm": "low"}[metric.kind]
        for suffix, kind in (("_mm", "mm"), ("_ml", "ml"), ("_percent", "percent")):
            assert metric.name.endswith(suffix) == (metric.kind == kind)


def test_catalogue_is_light():
    script = (
        "import sys, deeprac.records.catalogue\n"
        "assert not {'numpy', 'pandas', 'scipy'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
