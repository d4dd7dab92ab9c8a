"""A file of class names becomes labels, and labels become rows of `concepts`."""

import pytest

from backend.errors import SourceError, TailscopeError
from backend.schema import TABLES
from backend.study import Study
from backend.validation import content_faults, study_faults
from precompute.vocabulary import (
    NewTask,
    add_synonyms,
    add_tasks,
    describe_task,
    list_concepts,
    make_concepts,
    read_class_positions,
    read_task,
)


def read(tmp_path, content: str | bytes) -> NewTask:
    path = tmp_path / "names.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_task(path)


def labels(tmp_path, content: str | bytes) -> list[str]:
    return list(read(tmp_path, content).labels)


def test_labels_keep_their_order_and_spelling(tmp_path):
    assert labels(tmp_path, "Zib\nAcadian_Flycatcher\ncolt's foot\n") == ["Zib", "Acadian_Flycatcher", "colt's foot"]


@pytest.mark.parametrize(
    "content",
    ["a\nb", "a\nb\n\n \n", "a\r\nb\r\n", " a\t\n  b \n", "\ufeffa\nb\n"],
    ids=["no last line end", "blank lines at the end", "Windows", "white space", "byte order mark"],
)
def test_how_the_file_was_saved_makes_no_difference(tmp_path, content):
    assert labels(tmp_path, content) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"names\.txt is empty. Expected: one label a line"),
        ("\n \n", r"names\.txt is empty"),
        (b"caf\xe9\n", r"names\.txt is no file of class names \(.*Expected: UTF-8 text, one label a line"),
    ],
)
def test_file_without_labels_is_refused(tmp_path, content, message):
    with pytest.raises(SourceError, match=message):
        labels(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "skipped"),
    [
        ("a\n\nb\n", {"empty": 1}),
        ("\na\nb", {}),
        ("a\n_\nb\n", {"names nothing": 1}),
        ("a\nb\n a\na\n", {"repeated": 2}),
        ("# ours\nname\na\nb\n", {"comment": 1, "heading": 1}),
        ("a\nb\n", {}),
    ],
)
def test_what_is_no_label_is_counted_under_a_reason(tmp_path, content, skipped):
    task = read(tmp_path, content)
    assert list(task.labels) == ["a", "b"]
    assert task.skipped == skipped


def test_what_was_read_is_told(tmp_path):
    task = read(tmp_path, "missile\n&\nZib\nmissile\n\ncrane (bird)\n")
    assert describe_task("mine", task) == [
        "mine: 4 names, read as one name a line: “missile”, “&”, “Zib”, “crane (bird)”",
        "  skipped: 1 empty, 1 repeated",
        "  named more than once, taken once: “missile”",
        "  1 can be in no caption, having neither letter nor digit, and will count 0: “&”",
    ]
    task = read(tmp_path, "{0: 'tench, Tinca tinca', 1: 'a', 2: 'b', 3: 'c', 4: 'd', 5: 'e'}")
    assert describe_task("mine", task) == [
        "mine: 6 names, read as a Python dictionary: “tench”, “a”, “b”, “c”, “d”, ...",
        "  1 of them with synonyms: “tench” is also “Tinca tinca”",
    ]


@pytest.mark.parametrize(
    "content",
    [
        '["Zib", "crane, sandhill"]',
        "{0: 'Zib', 1: 'crane, sandhill'}",
        "0. Zib\n1. crane, sandhill",
        '0,Zib\n1,"crane, sandhill"',
        "- Zib\n- crane, sandhill",
        "names:\n  0: Zib\n  1: crane, sandhill\n",
        "n01440764 Zib\nn01440765 crane, sandhill",
    ],
)
def test_list_of_another_form_is_read(tmp_path, content):
    assert [name.split(",")[0] for name in labels(tmp_path, content)] == ["Zib", "crane"]


def test_comma_in_a_line_is_part_of_the_label(tmp_path):
    assert labels(tmp_path, "crane, sandhill\nZib\n") == ["crane, sandhill", "Zib"]


def test_label_in_both_forms_of_unicode_comes_twice(tmp_path):
    task = read(tmp_path, "jalape\u00f1o\njalapen\u0303o\n")
    assert (task.labels, task.repeated) == (("jalape\u00f1o",), ("jalape\u00f1o",))


def test_places_of_classes_keep_repeated_and_empty_names(tmp_path):
    path = tmp_path / "classnames.txt"
    path.write_text("\nmissile\n\nmissile \n\n")
    assert read_class_positions(path) == ["", "missile", "", "missile"]
    path.write_text('["a", "b", "a"]')
    assert read_class_positions(path) == ["a", "b", "a"]
    path.write_text("\n\n")
    with pytest.raises(SourceError, match="is empty"):
        read_class_positions(path)


def test_absent_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"absent\.txt is no file of class names"):
        read_task(tmp_path / "absent.txt")


def test_labels_of_one_concept_are_two_labels(tmp_path):
    assert labels(tmp_path, "Rose\nrose\n") == ["Rose", "rose"]


def test_label_has_its_concept_and_its_words():
    table = make_concepts("garden", "classification", ["Crested_Dalus", "colt's foot", "!!!"])
    assert table.to_pylist() == [
        {"task": "garden", "kind": "classification", "label": "!!!", "concept": "!!!", "words": []},
        {
            "task": "garden",
            "kind": "classification",
            "label": "Crested_Dalus",
            "concept": "crested dalus",
            "words": ["crested", "dalu"],
        },
        {
            "task": "garden",
            "kind": "classification",
            "label": "colt's foot",
            "concept": "colt's foot",
            "words": ["colt", "foot"],
        },
    ]
    assert table.schema.equals(TABLES["concepts"].schema)
    assert content_faults("concepts", table) == []


def test_bracket_of_a_label_is_no_word_to_search_for():
    rows = make_concepts("birds", "classification", ["crane (bird)", "(500) days", "& (sign)"]).to_pylist()
    assert {row["concept"]: row["words"] for row in rows} == {
        "crane (bird)": ["crane"],
        "(500) days": ["500", "day"],
        "& (sign)": ["sign"],
    }


def test_task_without_labels_has_no_rows():
    assert make_concepts("garden", "classification", []).num_rows == 0


def test_kind_that_does_not_exist_is_refused():
    with pytest.raises(TailscopeError, match="No kind 'labelling' of task. There are classification, retrieval, generation"):
        make_concepts("garden", "labelling", ["rose"])


def test_concepts_and_words_are_those_that_the_import_makes(small_study):
    rows = small_study.query("SELECT DISTINCT label, concept, words FROM concepts WHERE label <> 'plane' ORDER BY label")
    made = make_concepts("all", "classification", rows["label"].tolist())
    assert made.num_rows > 0
    assert made["concept"].to_pylist() == rows["concept"].tolist()
    assert made["words"].to_pylist() == [list(words) for words in rows["words"]]


# Tasks of a study


def names_file(tmp_path, *labels: str, name: str = "names.txt"):
    path = tmp_path / name
    path.write_text("\n".join(labels) + "\n")
    return path


def test_tasks_begin_a_study_and_more_are_added(tmp_path):
    study = tmp_path / "mine"
    assert add_tasks(study, {"zoo": names_file(tmp_path, "Zib", "Ant")}, "My corpora") == {"zoo": 2}
    assert add_tasks(study, {"art": names_file(tmp_path, "Zib", name="art.txt")}) == {"art": 1}
    assert study_faults(study) == []
    held = Study(study)
    assert (held.title, held.name) == ("My corpora", "mine")
    rows = held.query("SELECT task, label, concept FROM concepts")
    assert list(rows.itertuples(index=False, name=None)) == [
        ("art", "Zib", "zib"),
        ("zoo", "Ant", "ant"),
        ("zoo", "Zib", "zib"),
    ]
    assert {task: entry["file"] for task, entry in held.manifest.raw["arguments"]["concepts"].items()} == {
        "zoo": "names.txt",
        "art": "art.txt",
    }


def test_task_that_is_there_is_left_or_refused(tmp_path):
    study, path = tmp_path / "mine", names_file(tmp_path, "Zib", "Ant")
    add_tasks(study, {"zoo": path})
    before = Study(study).manifest.raw
    assert add_tasks(study, {"zoo": names_file(tmp_path, "Ant", "Zib", name="order.txt")}) == {}
    with pytest.raises(
        TailscopeError, match=r"has a task 'zoo' with other labels \(2; .*other\.txt has 1\). Choose another name"
    ):
        add_tasks(study, {"art": path, "zoo": names_file(tmp_path, "Ant", name="other.txt")})
    assert Study(study).manifest.raw == before


def test_file_that_cannot_be_used_begins_no_study(tmp_path):
    with pytest.raises(SourceError, match="is empty"):
        add_tasks(tmp_path / "mine", {"zoo": names_file(tmp_path, "_", "_")})
    assert not (tmp_path / "mine").exists()


def test_title_of_a_study_stays(tmp_path):
    study, path = tmp_path / "mine", names_file(tmp_path, "Zib")
    add_tasks(study, {"zoo": path})
    with pytest.raises(TailscopeError, match="Study 'mine' has a title already: 'mine'. Leave --title out"):
        add_tasks(study, {"art": path}, "Another")


# Other names of concepts


def synonyms(study) -> list[tuple]:
    return list(Study(study).query("SELECT * FROM synonyms ORDER BY ALL").itertuples(index=False, name=None))


def test_names_after_a_comma_are_synonyms_of_the_study(tmp_path):
    study = tmp_path / "mine"
    add_tasks(study, {"zoo": names_file(tmp_path, "n00000001 Tench, Tinca tinca, tench, &", "n00000002 Zib")})
    assert list_concepts(study) == ["tench", "zib"]
    assert synonyms(study) == [("tench", "tinca tinca", "class list")]
    assert study_faults(study) == []


def test_synonyms_of_a_source_replace_those_that_it_gave_before(tmp_path):
    study = tmp_path / "mine"
    add_tasks(study, {"zoo": names_file(tmp_path, "n00000001 Tench, Tinca tinca", "n00000002 Zib")})
    assert add_synonyms(study, {"Tench": ["doctor fish"], "dog": ["hound"]}, "file") == (1, ["dog"])
    assert add_synonyms(study, {"tench": ["Doctor_fish", "tinca tinca"], "zib": ["zibby"]}, "file") == (2, [])
    assert synonyms(study) == [
        ("tench", "doctor fish", "file"),
        ("tench", "tinca tinca", "class list"),
        ("zib", "zibby", "file"),
    ]
    assert study_faults(study) == []


def test_synonyms_of_no_concept_of_the_study_are_refused(tmp_path):
    study = tmp_path / "mine"
    add_tasks(study, {"zoo": names_file(tmp_path, "Zib")})
    with pytest.raises(TailscopeError, match="None of the 1 names with synonyms is a concept of study 'mine', such as “dog”"):
        add_synonyms(study, {"dog": ["hound"]}, "file")
    assert not Study(study).has("synonyms")
