"""Concepts to begin with: what is well known is told by tasks, what is odd by its counts."""

from backend.beginnings import EACH, suggest_concepts
from backend.flags import list_zeros
from backend.study import Study
from tests.tiny_study import count_rows, write_study


def rows_of(study: Study) -> dict[str, tuple[str, ...]]:
    return {row.title: row.concepts for row in suggest_concepts(study)}


def build(folder, counts: dict[str, int], *more: list[dict]) -> Study:
    rows = count_rows("web", "lemmatized", counts, task="first")
    return write_study(folder, [*rows, *(row for part in more for row in part)])


def test_well_known_are_those_of_several_tasks_at_both_ends(tmp_path):
    counts = {f"kind{n:02d}": n + 1 for n in range(40)}  # the rarest tenth are 00 to 03, the commonest 36 to 39
    shared = {name: counts[name] for name in ("kind01", "kind03", "kind20", "kind37", "kind38")}
    study = build(tmp_path, counts, count_rows("web", "lemmatized", shared, task="second"))
    assert rows_of(study) == {
        "Well known and often shown": ("kind37", "kind38"),
        "Well known, yet hardly shown": ("kind01", "kind03"),
    }


def test_where_no_task_shares_a_concept_frequency_alone_decides(tmp_path):
    study = build(tmp_path, {f"kind {n:03d}": n + 1 for n in range(100)})
    rows = rows_of(study)
    assert rows == {
        "Often shown": tuple(f"kind {n:03d}" for n in range(90, 90 + EACH)),
        "Hardly shown": tuple(f"kind {n:03d}" for n in range(EACH)),
    }


def test_names_of_one_word_come_first_and_long_ones_not_at_all(tmp_path):
    counts = {"red ant": 1, "ant": 2, "an ant of a very long name indeed": 3} | {f"kind{n:02d}": 100 + n for n in range(27)}
    assert rows_of(build(tmp_path, counts))["Hardly shown"] == ("ant", "red ant")


def test_zero_that_other_countings_contradict_is_odd_and_stands_in_no_other_row(tmp_path):
    counts = {"rose": 0, "jeans": 0, "moth": 0} | {f"kind{n:02d}": 100 + n for n in range(27)}
    said = count_rows("web", "lowercased", {"rose": 50, "jeans": 900, "moth": 0, "kind01": 7})
    study = build(tmp_path, counts, said)
    assert list_zeros(study)[["corpus", "concept", "said", "shown"]].values.tolist() == [
        ["web", "jeans", 900, 0],
        ["web", "rose", 50, 0],
    ]
    rows = rows_of(study)
    assert rows["Counted wrongly"] == ("jeans", "rose")
    assert not {"jeans", "rose"} & {*rows.get("Well known, yet hardly shown", ()), *rows.get("Hardly shown", ())}


def test_study_without_text_counts_has_no_zero_to_doubt(tmp_path):
    study = write_study(tmp_path, count_rows("web", "rampp@0.7", {"ant": 0, "bee": 5}))
    assert list_zeros(study).empty
    assert rows_of(study) == {"Often shown": ("bee",), "Hardly shown": ("ant",)}
