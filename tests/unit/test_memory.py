import psutil
import pytest

from deeprac.memory import free_bytes

GIB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    memory = type("Memory", (), {"available": 10 * GIB})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


def group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def free(root, lines):
    (root / "own").write_text(lines)
    return free_bytes(root / "groups", root / "own") / GIB


def test_of_the_machine_where_there_are_no_groups(tmp_path):
    assert free_bytes(tmp_path / "groups", tmp_path / "own") == 10 * GIB


def test_of_a_container(tmp_path):
    """A quarter of what it uses is cache, which the kernel gives back."""
    group(
        tmp_path / "groups", memory__max=6 * GIB, memory__current=4 * GIB,
        memory__stat=f"anon 7\ninactive_file {GIB}",
    )  # fmt: skip
    assert free(tmp_path, "0::/\n") == 3


def test_the_narrowest_of_nested_groups_counts(tmp_path):
    outer, inner = tmp_path / "groups/a", tmp_path / "groups/a/b"
    group(outer, memory__max=2 * GIB, memory__current=GIB, memory__stat="")
    group(inner, memory__max="max", memory__current=GIB, memory__stat="")
    assert free(tmp_path, "0::/a/b\n") == 1


def test_a_group_beyond_its_limit_has_nothing_left(tmp_path):
    group(tmp_path / "groups", memory__max=1, memory__current=9, memory__stat="")
    assert free(tmp_path, "0::/\n") == 0


def test_version_1(tmp_path):
    group(
        tmp_path / "groups/memory/job", memory__limit_in_bytes=3 * GIB,
        memory__usage_in_bytes=2 * GIB,
        memory__stat=f"inactive_file 0\ntotal_inactive_file {GIB}",
    )  # fmt: skip
    assert free(tmp_path, "4:cpu,cpuacct:/job\n5:memory:/job\n") == 2


def test_a_group_whose_path_is_of_the_host(tmp_path):
    """In a container without a namespace of its own."""
    group(tmp_path / "groups", memory__max=GIB, memory__current=0, memory__stat="")
    assert free(tmp_path, "0::/docker/1234\n") == 1
