"""How much memory there is to work with: the machine's, or what a container leaves of it."""

from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")  # where Linux shows the limits of groups of processes, a container among them
MEMBERSHIP = Path("/proc/self/cgroup")  # which groups this process is in


def measure_memory() -> int:
    """The bytes of memory that this process may count on: the machine's, or its container's where that allows less."""
    return min([psutil.virtual_memory().total, *list_limits()])


def list_limits(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> list[int]:
    """The limits in bytes, from the lowest on, of the groups that this process is in; none where none is set.

    Both versions of Linux's cgroups are read, and a group's parents count too. Inside of a container the group that
    `membership` names is often not there, and its root stands for it.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    groups = {(cgroups, "memory.max", "/"), (cgroups / "memory", "memory.limit_in_bytes", "/")}
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            groups.add((cgroups, "memory.max", path))
        elif "memory" in controllers.split(","):
            groups.add((cgroups / "memory", "memory.limit_in_bytes", path))
    limits = {
        limit
        for root, name, path in groups
        for folder in _list_parents(root, path)
        if (limit := _read_limit(folder / name)) is not None
    }
    return sorted(limits)


def _list_parents(root: Path, path: str) -> list[Path]:
    """A group's folder and those above it, up to the root."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return [root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _read_limit(path: Path) -> int | None:
    """The number in a file; None where there is none, as in "max", which is no limit."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
