"""The books of a corpus: those of its shards added up, and what each of its files dropped, as rows of `drops`."""

import os
from collections.abc import Iterable, Mapping

import pandas as pd

from backend.schema import TABLES
from precompute.corpus.shard import Shard
from precompute.ledger import Ledger
from precompute.search.growth import name_source
from precompute.search.parts import BOOKS


def add_books(books: Iterable[dict[str, Ledger]]) -> dict[str, Ledger]:
    """The books of several shards as those of one."""
    total = {unit: Ledger() for unit in BOOKS}
    for of_shard in books:
        for unit, ledger in of_shard.items():
            total[unit].add(ledger.entry())
    return total


def list_drops(corpus: str, books: Mapping[Shard, Mapping[str, Ledger]], total: Mapping[str, Ledger]) -> pd.DataFrame:
    """The rows of `drops`: of every file what was dropped, by unit and reason; what is of no file has an empty one.

    `books`: those of each shard · `total`: those of the corpus, with the units that are of no shard.
    """
    names = name_files({name_source(shard) for shard in books})
    by_file: dict[tuple[str, str], Ledger] = {}
    for shard, of_shard in books.items():
        for unit, ledger in of_shard.items():
            by_file.setdefault((unit, names[name_source(shard)]), Ledger()).add(ledger.entry())
    by_file |= {(unit, ""): ledger for unit, ledger in total.items() if unit not in BOOKS}
    rows = [
        (corpus, unit, name, reason, count, ledger.read)
        for (unit, name), ledger in by_file.items()
        for reason, count in ledger.dropped.items()
    ]
    return pd.DataFrame(rows, columns=TABLES["drops"].schema.names).sort_values(["unit", "shard", "reason"], ignore_index=True)


def name_files(sources: Iterable[str]) -> dict[str, str]:
    """What each file is called for people: its path or URL from the folder on that all of them share.

    >>> name_files(["/c/a/0.tar", "/c/b/0.tar"])
    {'/c/a/0.tar': 'a/0.tar', '/c/b/0.tar': 'b/0.tar'}
    """
    sources = list(sources)
    shared = len(os.path.commonprefix([source.split("/")[:-1] for source in sources]))
    return {source: "/".join(source.split("/")[shared:]) for source in sources}
