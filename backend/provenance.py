"""What imported text counts really count: words that a search lost on its way.

A count that Tailscope did not make itself may be that of fewer words than the concept's. Two things show it: the query that
the search is known to have used (table `queries`), and a count that equals another concept's to the last sample although the
words of the two are not the same (all of three breeds of dog with the 36,103 of “dog”).
"""

import pandas as pd

from backend.remember import remember
from backend.study import Study

# Below it, equal counts are common by chance: in the paper's release, of the pairs with equal counts that share a word,
# nearly none is a part of the other below 50, and nearly all share the words that were left above.
FEWEST_EQUAL = 50

_COUNTS = """
    SELECT corpus, method, concept, max(count) AS count FROM frequency
    WHERE modality = 'text' AND NOT list_contains(CAST($own AS VARCHAR[]), corpus) AND count >= $fewest GROUP BY ALL
"""
_EQUAL = f"""
    WITH counts AS ({_COUNTS}),
         pairs AS (
             SELECT mine.*, other.concept AS same_as FROM counts mine JOIN counts other USING (corpus, method, count)
             WHERE mine.concept <> other.concept
         ),
         names AS (
             SELECT concept, list_sort(list_distinct(any_value(words))) AS words FROM concepts
             WHERE concept IN (SELECT concept FROM pairs UNION ALL SELECT same_as FROM pairs) GROUP BY concept
         )
    SELECT corpus, method, pairs.concept, count, same_as,
           list_filter(my.words, lambda word: list_contains(their.words, word)) AS shared
    FROM pairs JOIN names my ON my.concept = pairs.concept JOIN names their ON their.concept = same_as
    WHERE len(shared) < len(my.words) AND len(list_filter(shared, lambda word: regexp_full_match(word, '[^0-9]+'))) > 0
"""


def list_lost_words(study: Study, concept: str | None = None) -> pd.DataFrame:
    """corpus, method, concept, count, words (that the count is of), same_as (concepts with this very count): text counts that
    are not of all the concept's words, of one concept or of all. Counts that the study's own index made are never among them.

    The words are those of the search's query where it is known, else those that the concepts of one count have in common.
    Empty where the study lacks counts or words to tell by.
    """
    lost = _list_lost_words(study)
    return lost if concept is None else lost[lost["concept"] == concept].reset_index(drop=True)


@remember(1)
def _list_lost_words(study: Study) -> pd.DataFrame:
    if not study.has("frequency", "concepts"):
        return pd.DataFrame(columns=["corpus", "method", "concept", "count", "words", "same_as"])
    own = sorted(study.manifest.search)
    equal = study.query(_EQUAL, own=own, fewest=FEWEST_EQUAL)
    keys = ["corpus", "method", "concept", "count"]
    lost = (
        equal.sort_values("same_as")
        .groupby(keys, sort=True)
        .agg(words=("shared", lambda shared: min(shared, key=len)), same_as=("same_as", list))
        .reset_index()
    )
    lost["words"] = [list(words) for words in lost["words"]]
    queried = _list_queried(study, own)
    known = queried.merge(lost[[*keys[:3], "same_as"]], on=keys[:3], how="left")
    known["same_as"] = [names if isinstance(names, list) else [] for names in known["same_as"]]
    rows = pd.concat([known, lost]).drop_duplicates(keys[:3], keep="first")
    return rows.sort_values(keys[:3], ignore_index=True)[[*keys, "words", "same_as"]]


def _list_queried(study: Study, own: list[str]) -> pd.DataFrame:
    """corpus, method, concept, count, words: the counts whose query is known to differ from the concept's words."""
    if not study.has("queries"):
        return pd.DataFrame(columns=["corpus", "method", "concept", "count", "words"])
    rows = study.query(
        f"""WITH counts AS ({_COUNTS}), asked AS (
                SELECT method, concept, any_value(words ORDER BY task, label) AS words FROM queries GROUP BY method, concept
            ) SELECT corpus, method, concept, count, words FROM counts JOIN asked USING (method, concept)""",
        own=own,
        fewest=0,
    )
    return rows.assign(words=[list(words) for words in rows["words"]])


def find_queries(study: Study, concept: str) -> pd.DataFrame:
    """method, words: what an imported search looked for instead of the concept's words; empty where nothing else."""
    if not study.has("queries"):
        return pd.DataFrame({"method": [], "words": []})
    rows = study.query(
        """SELECT method, any_value(words ORDER BY task, label) AS words FROM queries WHERE concept = $concept
           GROUP BY method ORDER BY method""",
        concept=concept,
    )
    return rows.assign(words=[list(words) for words in rows["words"]])
