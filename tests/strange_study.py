"""A study whose corpora are called like the columns of tables, with every table of a study of counts and scores."""

from pathlib import Path

from backend.study import Study
from tests.tiny_study import ANIMALS, count_rows, model_row, overall_row, score_rows, write_study

NAMES = [
    "percentile",
    "tail",
    "measured",
    "concept",
    "name",
    "count",
    "corpus",
    "rank",
    "expected",
    "number",
    "modality",
    "best",
]
NAMES += ["score", "how", "one", "r", "share"]
METHODS = ("lemmatized", "rampp@0.5", "rampp@0.7", "lemmatized+rampp@0.7")
VALUES = {"ant": 10, "bee": 20, "cat": 30, "dog": 60, "elk": 50}


def write_strange(folder: Path, arguments: dict | None = None) -> Study:
    """Writes it: in every corpus the counts of `ANIMALS["small"]`, a model of each corpus, `net/NAME`, and one of none."""
    rare = [{name: value for name, value in row.items() if name != "kind"} for row in score_rows("net", VALUES, task="rare")]
    return write_study(
        folder,
        [row for name in NAMES for method in METHODS for row in count_rows(name, method, ANIMALS["small"])],
        models=[model_row(f"net/{name}", name) for name in NAMES] + [model_row("net", None)],
        performance=[row for name in NAMES for row in score_rows(f"net/{name}", VALUES)] + score_rows("net", VALUES),
        overall=[overall_row("net", task, 40) for task in ("animals", "rare")],
        alignment=[
            {"corpus": name, "method": METHODS[-1], "misaligned": 3, "degree": 0.1, "degree_extracted": 0.2} for name in NAMES
        ],
        tail=rare,
        manifest={
            "tail": {"title": "Rare", "task": "rare", "compared_with": "animals", "setting": "plain", "split": 50},
            "reported": {"correlations": [["tail", "rank", 0.5]]},
            "arguments": arguments or {},
        },
    )
