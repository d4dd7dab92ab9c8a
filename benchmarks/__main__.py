"""Runs every benchmark: `make bench`, or python -m benchmarks."""

from benchmarks import (
    bands,
    browser,
    encode,
    foreign,
    index,
    intervals,
    large,
    matching,
    pages,
    probe,
    retrieval,
    samples,
    server,
    startup,
    tars,
    terms,
    text_search,
)


def main() -> None:
    """Prints all tables."""
    startup.main()
    pages.main()
    probe.main()
    samples.main()
    intervals.main()
    bands.main()
    foreign.main()
    server.main(["--seconds", "10", "--runs", "1000"])
    browser.main([])
    text_search.main(["--runs", "1"])
    index.main(["--captions", "1000000"])
    tars.main([])
    large.main(["--samples", "1000000"])
    matching.main([])
    terms.main([])
    encode.main(["--images", "64", "--models", "ViT-B-32"])
    retrieval.main([])


if __name__ == "__main__":
    main()
