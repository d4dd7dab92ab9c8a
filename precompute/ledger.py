"""What a step read, wrote and dropped, with the reason of every drop; the books must balance."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Counts of one unit ("values", "files"). `read` = `written` + all drops, or the step has a bug."""

    unit: str
    read: int = 0
    written: int = 0
    dropped: Counter = field(default_factory=Counter)

    def take(self, *, written: int = 0, dropped: int = 0, reason: str = "") -> None:
        """Books values that were read: those written, and those dropped for a reason."""
        self.read += written + dropped
        self.written += written
        if dropped:
            self.dropped[reason] += dropped

    def entry(self) -> dict:
        """The manifest's form of these counts."""
        return {"read": self.read, "written": self.written, "dropped": dict(sorted(self.dropped.items()))}

    def sentence(self) -> str:
        """One line for people: read = written + dropped, and why."""
        lost = self.dropped.total()
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in sorted(self.dropped.items()))
        return f"{self.unit}: read {self.read:,} = written {self.written:,} + dropped {lost:,}" + (
            f" ({reasons})" if reasons else ""
        )
