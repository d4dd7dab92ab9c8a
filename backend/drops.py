"""What of a corpus was dropped when it was indexed: by shard and reason."""

import pandas as pd

from backend.study import Study


def list_drops(study: Study, corpus: str) -> pd.DataFrame:
    """unit, shard, reason, count, read, share: what a corpus's index dropped, the most first; empty where it dropped nothing.

    `unit`: samples, members (of tars), images, image hits or concepts · `shard`: the file's name, empty for what is of the
    whole corpus · `read`: all of the unit that the shard held · `share`: count / read. Raises MissingTable where the study
    does not say what was dropped.
    """
    study.require("drops")
    return study.query(
        """SELECT unit, shard, reason, count, "read", count / "read" AS share FROM drops WHERE corpus = $corpus
           ORDER BY count DESC, unit, shard, reason""",
        corpus=corpus,
    )


def sum_drops(study: Study, corpus: str) -> pd.DataFrame:
    """unit, reason, count, shards: the same over all shards, and in how many of them; the most first."""
    study.require("drops")
    return study.query(
        """SELECT unit, reason, CAST(sum(count) AS BIGINT) AS count, count(*) AS shards FROM drops WHERE corpus = $corpus
           GROUP BY ALL ORDER BY count DESC, unit, reason""",
        corpus=corpus,
    )
