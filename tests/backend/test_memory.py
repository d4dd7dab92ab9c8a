"""How much memory there is: a container's limit goes before the machine's, by either version of cgroups."""

import psutil
import pytest

from backend import memory
from backend.memory import list_limits, measure_memory

GB = 2**30


def lay(folder, files: dict[str, str]):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("membership", "files", "limits"),
    [
        ("0::/\n", {"memory.max": f"{2 * GB}\n"}, [2 * GB]),
        ("0::/a/b\n", {"memory.max": "max\n", "a/memory.max": f"{3 * GB}\n", "a/b/memory.max": "max\n"}, [3 * GB]),
        ("0::/a/b\n", {"a/memory.max": f"{3 * GB}\n", "a/b/memory.max": f"{GB}\n"}, [GB, 3 * GB]),
        ("0::/not/here\n", {"memory.max": f"{GB}\n"}, [GB]),
        ("9:name=systemd:/\n4:cpu,memory:/a\n", {"memory/a/memory.limit_in_bytes": f"{GB}\n"}, [GB]),
        ("4:memory:/not/here\n0::/\n", {"memory/memory.limit_in_bytes": f"{GB}\n"}, [GB]),
        ("4:cpu:/a\n", {"memory/a/memory.limit_in_bytes": f"{GB}\n"}, []),
        ("", {}, []),
        ("no line of this kind\n", {"memory.max": "rubbish"}, []),
        ("0::/../../a\n", {"a/memory.max": f"{GB}\n"}, [GB]),
    ],
)
def test_limits_are_those_of_a_group_and_its_parents(tmp_path, membership, files, limits):
    lay(tmp_path, {"cgroup": membership})
    assert list_limits(lay(tmp_path / "groups", files), tmp_path / "cgroup") == limits


def test_system_without_cgroups_has_no_limits(tmp_path):
    assert list_limits(tmp_path / "none", tmp_path / "none either") == []


def test_memory_is_the_machines_or_what_a_container_leaves_of_it(monkeypatch):
    whole = psutil.virtual_memory().total
    for limits, expected in (([], whole), ([2**62], whole), ([5, 2**62], 5)):
        monkeypatch.setattr(memory, "list_limits", lambda limits=limits: limits)
        assert measure_memory() == expected
