"""How many different captions, and different images, there are among the samples that show a concept: one meme counts once.

Captions are different where any letter is; images where any byte of their files is.
"""

import pandas as pd

from backend.study import Study


def list_distinct(study: Study, concept: str) -> pd.DataFrame:
    """corpus, modality, method, hits, distinct, repeats: for every search of a concept whose different hits are known.

    `hits`: the samples · `distinct`: the different captions (text) or image files (image) among them · `repeats`: hits /
    distinct, 1 where none is said or shown twice; null without hits. Empty where no corpus of the study knows; raises
    MissingTable where the study has no such table.
    """
    study.require("distinct_hits", "frequency")
    return study.query(
        """SELECT corpus, modality, method, counted.count AS hits, different.count AS "distinct",
                  counted.count / nullif(different.count, 0) AS repeats
           FROM distinct_hits AS different
           JOIN (SELECT corpus, method, max(count) AS count FROM frequency WHERE concept = $concept GROUP BY ALL) AS counted
           USING (corpus, method) WHERE concept = $concept ORDER BY corpus, modality DESC, method""",
        concept=concept,
    )
