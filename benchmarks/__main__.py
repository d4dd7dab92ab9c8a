"""Runs every benchmark: `make bench`, or python -m benchmarks."""

from benchmarks import intervals, pages, probe, samples, startup


def main() -> None:
    """Prints all tables."""
    startup.main()
    pages.main()
    probe.main()
    samples.main()
    intervals.main()


if __name__ == "__main__":
    main()
