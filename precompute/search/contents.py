"""Describes a corpus by its samples: how long its captions are, in what languages, which come more than once, how they clump.

Reads: a corpus's files of `samples`, and of `hits`. Writes: its rows of `contents`, which `index` puts into the study.
DuckDB reads the files and spills to disk: no corpus is held in memory. Cost: 3 s of one core for a million captions.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from backend.corpus_report import step_of
from backend.errors import TailscopeError
from backend.rates import BLOCKS, measure_dispersion
from backend.schema import CONTENTS, corpus_files
from backend.study import Study, find_build_command
from precompute.search.run_log import Stopwatch
from precompute.search.spilling import connect_spilling

DESCRIBING, LANGUAGES = "describing", "telling languages"  # what its time goes into
LANGUAGE_SAMPLE = 10_000  # captions whose language is told: shares are right to one point in a hundred
SURE = 0.3  # the least confidence of a language; alt text of a few names and numbers stays below it
UNSURE = "und"  # what ISO 639 calls an undetermined language
AT_ONCE = 200_000  # samples of a corpus that a page describes while somebody waits
MOST_REPEATED = 20  # captions that are shown with how often they come

_LENGTHS = r"""
WITH cut AS (
    SELECT length(caption) AS characters,
           len(list_filter(string_split_regex(caption, '[\s\p{Z}]+'), lambda word: word <> '')) AS words FROM samples
), long AS (UNPIVOT cut ON words, characters INTO NAME what VALUE length)
SELECT what, length AS value, count(*) AS count FROM long GROUP BY ALL
"""
# The same captions on every machine: those whose id has the least hash, an order that knows nothing of what they say.
_SAMPLE = "SELECT caption FROM samples ORDER BY hash(sample_id), sample_id LIMIT $size"
_COPIES = """
SELECT copies AS value, count(*) AS count FROM (SELECT count(*) AS copies FROM samples GROUP BY hash(caption))
GROUP BY copies
"""
_REPEATED = """
WITH often AS (
    SELECT hash(caption) AS key, count(*) AS count FROM samples GROUP BY key HAVING count(*) > 1
    ORDER BY count DESC, key LIMIT $most
)
SELECT any_value(caption) AS value, any_value(count) AS count
FROM samples JOIN often ON hash(caption) = often.key GROUP BY often.key
"""
# Where blocks of about equally many samples begin; ids are counted by the hundred thousandth, so that nothing is sorted whole.
_BOUNDS = """
WITH sized AS (SELECT count(*) // 100_000 + 1 AS step, count(*) AS total FROM samples), counted AS (
    SELECT sample_id // step AS place, min(sample_id) AS first, count(*) AS held, any_value(total) AS total
    FROM samples, sized GROUP BY place
), placed AS (SELECT first, (sum(held) OVER (ORDER BY place) - held) * $blocks // total AS block FROM counted)
SELECT min(first) AS first FROM placed GROUP BY block ORDER BY first
"""
_BLOCK_HITS = """
SELECT method, concept, len(list_filter($bounds, lambda first: first <= sample_id)) - 1 AS block, count(*) AS hits
FROM hits WHERE modality = 'text' GROUP BY ALL
"""


def describe_contents(
    samples: Sequence[Path] | pa.Table, hits: Sequence[Path] | pa.Table | None = None, clock: Stopwatch | None = None
) -> pd.DataFrame:
    """what, value, count: the rows of `contents` of one corpus, in order, without the corpus's name.

    samples, hits: files of these tables, or tables with the columns that are read of them: sample_id and caption; concept,
    modality, method and sample_id. clock: counts the time, that of the languages, which does not grow with the corpus, apart.
    """
    clock = clock or Stopwatch()
    with clock.during(DESCRIBING), _open_tables(samples, hits) as connection:

        def ask(sql: str, **parameters) -> pd.DataFrame:
            return connection.execute(sql, parameters or None).df()

        lengths = _round_values(ask(_LENGTHS))
        captions = ask(_SAMPLE, size=LANGUAGE_SAMPLE)["caption"]
        with clock.during(LANGUAGES):
            found = Counter(map(tell_language, captions))
        languages = pd.DataFrame({"what": "language", "value": list(found), "count": list(found.values())})
        copies = _round_values(ask(_COPIES).assign(what="copies"))
        repeated = ask(_REPEATED, most=MOST_REPEATED).assign(what="repeated")
        parts = [lengths, languages, copies, repeated]
        if hits is not None:
            bounds = ask(_BOUNDS, blocks=BLOCKS)["first"].tolist()
            parts.append(_measure_dispersions(ask(_BLOCK_HITS, bounds=bounds), len(bounds)))
    rows = pd.concat([part[["what", "value", "count"]].astype({"value": str, "count": "int64"}) for part in parts])
    order = {what: place for place, what in enumerate(CONTENTS)}
    keys = rows["what"].map(order), -rows["count"], rows["value"]
    return rows.iloc[np.lexsort(tuple(key.to_numpy() for key in reversed(keys)))].reset_index(drop=True)


def describe_corpus(study: Study, corpus: str) -> pd.DataFrame:
    """`describe_contents` of a corpus that was indexed before studies had `contents`.

    Raises TailscopeError, with the command that does it, where it is too large to do while somebody waits.
    """
    study.require("samples")
    (samples,) = study.query("SELECT count(*) AS samples FROM samples WHERE corpus = $corpus", corpus=corpus)["samples"]
    if not 0 < samples <= AT_ONCE:
        command = find_build_command("contents", study.folder, study.manifest.arguments, anew=True)
        raise TailscopeError(f"The captions of {corpus} are not described yet. Index it again: {command}")
    return describe_files(study.folder, corpus)


def describe_files(folder: Path, corpus: str, clock: Stopwatch | None = None) -> pd.DataFrame:
    """`describe_contents` of the files of a corpus in a study's folder; without hits nothing says how they clump."""
    return describe_contents(corpus_files(folder, "samples", corpus), corpus_files(folder, "hits", corpus) or None, clock)


def tell_language(caption: str) -> str:
    """The ISO 639 code of a caption's language by py3langid; `und` where it is too short to be sure."""
    return _load_identifier().classify(caption)[0]


@lru_cache(maxsize=1)
def _load_identifier():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # its model takes 0.7 s and 40 MB

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=SURE)


@contextmanager
def _open_tables(
    samples: Sequence[Path] | pa.Table, hits: Sequence[Path] | pa.Table | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the views `samples` and `hits`."""
    with tempfile.TemporaryDirectory(prefix="tailscope-contents-") as folder:
        connection = connect_spilling(Path(folder))
        try:
            for name, source in (("samples", samples), ("hits", hits)):
                if isinstance(source, pa.Table):
                    connection.register(f"given_{name}", source)
                elif source is not None:
                    quoted = [str(path).replace("'", "''") for path in source]
                    files = ", ".join(f"'{path}'" for path in quoted)
                    connection.execute(f"CREATE VIEW given_{name} AS FROM read_parquet([{files}], hive_partitioning = false)")
                if source is not None:
                    captioned = " WHERE caption <> ''" if name == "samples" else ""  # a picture may have no caption
                    connection.execute(f"CREATE VIEW {name} AS FROM given_{name}{captioned}")
            yield connection
        finally:
            connection.close()


def _round_values(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with whole numbers cut to two significant digits, 1,234 to 1,200: below a hundred rows a power of ten."""
    values = rows["value"].to_numpy(np.int64)
    steps = step_of(values)
    return rows.assign(value=values // steps * steps).groupby(["what", "value"], as_index=False)["count"].sum()


def _measure_dispersions(hits: pd.DataFrame, blocks: int) -> pd.DataFrame:
    """The dispersion of each method's counts, in hundredths."""
    found = []
    for method, part in hits.groupby("method", sort=True):
        codes, concepts = pd.factorize(part["concept"])
        table = np.zeros((len(concepts), blocks))
        table[codes, part["block"].to_numpy(int)] = part["hits"]
        if blocks > 1 and (dispersion := measure_dispersion(table)) is not None:
            found.append(("dispersion", method, round(100 * dispersion)))
    return pd.DataFrame(found, columns=["what", "value", "count"])
