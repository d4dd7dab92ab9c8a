"""What a step read, wrote and dropped, with the reason of every drop; the books must balance."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Counts of what one step handles. `read` = `written` + all drops, or the step has a bug."""

    read: int = 0
    written: int = 0
    dropped: Counter = field(default_factory=Counter)

    def take(self, *, written: int = 0, dropped: int = 0, reason: str = "") -> None:
        """Books values that were read: those written, and those dropped for a reason."""
        self.read += written + dropped
        self.written += written
        if dropped:
            self.dropped[reason] += dropped

    def add(self, entry: dict) -> None:
        """Books what another ledger's `entry` says."""
        self.take(written=entry["written"])
        for reason, dropped in entry["dropped"].items():
            self.take(dropped=dropped, reason=reason)

    def entry(self) -> dict:
        """The manifest's form of these counts."""
        return {"read": self.read, "written": self.written, "dropped": dict(sorted(self.dropped.items()))}


def describe_entry(unit: str, entry: dict) -> str:
    """One line for people: read = written + dropped, and why.

    >>> describe_entry("values", {"read": 1200, "written": 1199, "dropped": {"empty label": 1}})
    'values: read 1,200 = written 1,199 + dropped 1 (empty label: 1)'
    """
    dropped = entry["dropped"]
    reasons = "; ".join(f"{reason}: {count:,}" for reason, count in dropped.items())
    line = f"{unit}: read {entry['read']:,} = written {entry['written']:,} + dropped {sum(dropped.values()):,}"
    return f"{line} ({reasons})" if reasons else line
