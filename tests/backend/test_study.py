"""A study opens only when it is complete, answers many askers at once, and says what it lacks."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import EmptySelection, InvalidTable, MissingTable, StudyNotFound
from backend.schema import SCHEMA_VERSION, TABLES, part_name, parts_path
from backend.study import ROOT, Study, find_build_command, list_studies
from backend.writing import write_manifest
from tests import searched_study, tiny_study
from tests.searched_study import split_file

ROSE = """SELECT method, count FROM frequency
          WHERE corpus = 'laion400m' AND concept = $concept ORDER BY method"""


def write_study(folder, **entries):
    """A folder with nothing but a manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, {"schema_version": SCHEMA_VERSION, "title": "Empty", "tables": {}, **entries})
    return folder


def test_folder_without_manifest_is_no_study_and_the_message_has_the_command(tmp_path):
    with pytest.raises(StudyNotFound) as error:
        Study(tmp_path / "absent")
    assert str(error.value) == (
        f"No complete study in {tmp_path / 'absent'}: it has no manifest.json. "
        "Build the embedded one: python -m precompute synthetic"
    )


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ({"published": {}}, "python -m precompute published --force"),
        ({"synthetic": {}}, "python -m precompute synthetic --force"),
        ({"index": {}}, "python -m precompute concepts --study {folder} --task NAME=CLASSNAMES.txt"),
    ],
)
def test_other_schema_version_is_refused_with_the_command(tmp_path, arguments, command):
    folder = tmp_path / "old"
    with pytest.raises(StudyNotFound) as error:
        Study(write_study(folder, schema_version=0, arguments=arguments))
    assert str(error.value) == (
        f"Study 'old' has schema version 0, this program reads {SCHEMA_VERSION}. "
        f"Build it again: {command.format(folder=folder)}"
    )


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null", "\xff"])
def test_unreadable_manifest_is_no_study(tmp_path, text):
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StudyNotFound, match=f"python -m precompute check --study {tmp_path}"):
        Study(tmp_path)


def test_study_has_name_title_and_tables(small_study):
    assert (small_study.name, small_study.title) == ("small", "The paper's results")
    assert sorted(small_study.tables) == [
        "alignment",
        "concepts",
        "corpora",
        "frequency",
        "models",
        "overall",
        "performance",
        "queries",
        "scaling",
        "tail",
    ]
    assert small_study.has("tail", "scaling")
    assert not small_study.has("tail", "samples")


INDEX = "index --study {folder} --corpus NAME --shards GLOB"
EVALUATE = "evaluate --study {folder} --model ARCH:WEIGHTS --task NAME=FOLDER"


@pytest.mark.parametrize(
    ("made_by", "table", "step"),
    [
        ("published", "alignment", "published"),
        ("published", "samples", INDEX),
        ("published", "truth", "synthetic"),
        ("synthetic", "alignment", "synthetic"),
        ("synthetic", "samples", "synthetic"),
        ("index", "concepts", "concepts --study {folder} --task NAME=CLASSNAMES.txt"),
        ("index", "frequency", INDEX),
        ("index", "corpora", INDEX),
        ("index", "alignment", INDEX),
        ("index", "hits", INDEX),
        ("index", "misaligned", INDEX),
        ("index", "models", EVALUATE),
        ("index", "performance", EVALUATE),
        ("index", "overall", EVALUATE),
        ("index", "scaling", EVALUATE),
        ("index", "tail", "tail --study {folder}"),
        ("index", "search_quality", "synthetic"),
    ],
)
def test_missing_table_is_named_with_the_command(tmp_path, made_by, table, step):
    study = Study(write_study(tmp_path / "empty", arguments={made_by: {}}))
    assert study.tables == frozenset()
    with pytest.raises(MissingTable) as error:
        study.require(table)
    command = f"python -m precompute {step.format(folder=study.folder)}"
    assert str(error.value) == f"Study 'empty' has no table '{table}'. Build it: {command}"


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_a_command_in_any_study(tmp_path, table):
    for arguments in ({}, None, {"published": {}}):
        assert find_build_command(table, tmp_path, arguments).startswith("python -m precompute ")


def test_command_names_the_study_as_the_shell_reads_it():
    assert find_build_command("tail", ROOT / "data" / "Anna's study", {}) == (
        """python -m precompute tail --study 'data/Anna'"'"'s study'"""
    )


def test_asking_a_missing_table_raises_before_any_query(tmp_path):
    study = Study(write_study(tmp_path / "empty"))
    with pytest.raises(MissingTable, match="no table 'tail'"):
        study.ask("tail", "SELECT * FROM tail", "Nothing.")


def test_asking_for_what_is_not_there_raises_the_given_sentence(small_study):
    with pytest.raises(EmptySelection, match=r"^No counts of 'unicorn'\.$"):
        small_study.ask("frequency", ROSE, "No counts of 'unicorn'.", concept="unicorn")


def test_parameters_are_values_and_never_sql(small_study):
    rows = small_study.query(ROSE, concept="rose' OR '1' = '1")
    assert rows.empty


def test_quote_in_a_concept_is_found(small_study):
    rows = small_study.query(ROSE, concept="colt's foot")
    assert list(rows.itertuples(index=False, name=None)) == [
        ("lemmatized", 383_805),
        ("lowercased", 1),
        ("rampp@0.7", 582),
    ]


@pytest.mark.parametrize("name", ["Anna's study", "study [1]", "what?", "50% of *"])
def test_any_folder_name_will_do(tmp_path, small_study, name):
    folder = tmp_path / name
    folder.symlink_to(small_study.folder, target_is_directory=True)
    assert Study(folder).query("SELECT count(*) AS n FROM corpora")["n"][0] == 3


def sample_rows(corpus: str, captions: list[str]) -> list[dict]:
    empty = dict.fromkeys(("image", "offset", "length", "width", "height"))
    return [{"corpus": corpus, "sample_id": i, "caption": caption} | empty for i, caption in enumerate(captions)]


@pytest.mark.parametrize("name", ["plain", "Anna's study", "study [1]", "what?", "50% of *", "year=2024"])
def test_folder_table_is_one_view_over_its_files(tmp_path, name):
    rows = sample_rows("a [1]", ["one", "two"]) + sample_rows("b=c", ["three"])
    study = tiny_study.write_study(tmp_path / name, samples=rows)
    assert study.has("samples")
    assert not study.has("hits")
    assert study.list_corpora("samples") == ["a [1]", "b=c"]
    assert study.list_corpora("hits") == []
    found = study.query("SELECT * FROM samples ORDER BY caption")
    assert found["caption"].tolist() == ["one", "three", "two"]
    assert list(found.columns) == TABLES["samples"].schema.names


def test_folder_without_a_file_is_no_table(tmp_path):
    study = Study(write_study(tmp_path / "empty"))
    (study.folder / "samples").mkdir()
    (study.folder / "samples" / "mine.parquet.part").write_bytes(b"PAR1")
    assert study.tables == frozenset()


def list_located(study: Study, **held: str) -> list[str]:
    """The files of hits out of which rows with these values are read."""
    rows = study.query(f"SELECT DISTINCT filename FROM {study.locate('hits', 'mine', **held)} ORDER BY filename")
    return [Path(path).name for path in rows["filename"]]


def test_only_files_that_may_hold_a_concept_are_read(tmp_path):
    sorted_by_concept = split_file(
        searched_study.build(tmp_path / "tiny"), "hits", (5, 5, 8), "concept"
    )  # 7 of lily, 11 of rose
    every = ["00000.parquet", "00001.parquet", "00002.parquet"]
    assert list_located(sorted_by_concept) == every
    assert list_located(sorted_by_concept, concept="lily") == every[:2]
    assert list_located(sorted_by_concept, concept="rose") == every[1:]
    assert list_located(sorted_by_concept, concept="rose", modality="video") == every[:1]  # in which there is none either
    with pytest.raises(EmptySelection, match="holds no hits of 'yours'"):
        sorted_by_concept.locate("hits", "yours")


def test_file_whose_footer_does_not_tell_is_read(tmp_path):
    study = split_file(searched_study.build(tmp_path / "tiny"), "hits", (7, 11), "concept")
    path = parts_path(study.folder, "hits", "mine") / part_name(0)
    pq.write_table(pq.read_table(path), path, write_statistics=False)
    assert list_located(study, concept="rose") == ["00000.parquet", "00001.parquet"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InvalidTable, match="00000.parquet is broken or cut short"):
        list_located(Study(study.folder), concept="rose")


def test_study_cannot_be_written_through_a_query(small_study):
    before = (small_study.folder / "corpora.parquet").read_bytes()
    with pytest.raises(duckdb.Error, match="base table"):
        small_study.query("DELETE FROM corpora")
    assert (small_study.folder / "corpora.parquet").read_bytes() == before


def test_many_threads_get_the_answers_of_one(small_study):
    study = Study(small_study.folder)  # a new one, so that the threads also race to connect
    concepts = ["rose", "colt's foot", "iris", "petunia", "sunflower", "jeans"] * 20
    expected = [small_study.query(ROSE, concept=concept).to_dict("list") for concept in concepts]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda concept: study.query(ROSE, concept=concept).to_dict("list"), concepts))
    assert answers == expected
    assert expected[0] == {"method": ["lemmatized", "lowercased", "rampp@0.7"], "count": [0, 257_038, 3_347_335]}


def test_only_complete_studies_are_listed(tmp_path):
    write_study(tmp_path / "b")
    write_study(tmp_path / "a")
    (tmp_path / "half done").mkdir()
    (tmp_path / "file").write_text("")
    assert list_studies(tmp_path) == ["a", "b"]


def test_unfinished_import_is_not_listed(tmp_path):
    write_study(tmp_path / "a")
    write_study(tmp_path / ".b.part")
    assert list_studies(tmp_path) == ["a"]


def test_absent_folder_of_studies_has_none(tmp_path):
    assert list_studies(tmp_path / "absent") == []


def test_manifest_keeps_letters_beyond_ascii_readable(tmp_path):
    folder = write_study(tmp_path / "a", title="Blüten, 花")
    assert "Blüten, 花" in (folder / "manifest.json").read_text(encoding="utf-8")
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["title"] == "Blüten, 花"
    assert Study(folder).title == "Blüten, 花"


def test_two_builds_within_a_second_have_two_tokens_and_one_study_one(tmp_path):
    first = tiny_study.write_study(tmp_path / "tiny", tiny_study.animal_rows())
    assert Study(first.folder).token == first.token
    second = tiny_study.write_study(tmp_path / "tiny", tiny_study.count_rows("small", "lemmatized", {"ant": 7}))
    assert first.manifest.created == second.manifest.created
    assert first.token != second.token


CHECK = "See all that is wrong: python -m precompute check --study"


def damage_file(path, how: str) -> str:
    """Breaks a Parquet file as a crash, a full disk or another program does; what is said of it."""
    content = path.read_bytes()
    if how == "deleted":
        path.unlink()
        return f"{path.name} is missing"
    if how == "foreign":
        pq.write_table(pa.table({"something": [1]}), path)
        return f"{path.name} has other columns than this program reads"
    kept = {"cut short": content[: len(content) // 2], "empty": b"", "text": b"hello", "inside": content}[how]
    if how == "inside":
        kept = content[:4] + b"\xff" * 400 + content[404:]
    path.write_bytes(kept)
    return f"{path.name} is broken or cut short"


@pytest.mark.parametrize("how", ["cut short", "deleted", "empty", "text", "foreign", "inside"])
@pytest.mark.parametrize("when", ["before the first question", "after it"])
def test_broken_file_is_told_with_the_commands_that_mend_it(tmp_path, how, when):
    rows = tiny_study.count_rows("small", "lemmatized", {f"kind {n}": n * n for n in range(200)})
    study = tiny_study.write_study(tmp_path / "tiny", rows)
    ask = "SELECT corpus, concept, modality, method, task, label, count FROM frequency WHERE count > 3"
    if when == "after it":
        assert len(study.query(ask)) == 198
    else:
        assert study.has("frequency")
    what = damage_file(study.folder / "frequency.parquet", how)
    with pytest.raises(InvalidTable) as error:
        study.query(ask)
    assert str(error.value) == (
        f"Table 'frequency' of study 'tiny' cannot be read: {what}. {CHECK} {study.folder}; "
        f"build it again: python -m precompute index --study {study.folder} --corpus NAME --shards GLOB --force"
    )


def test_broken_file_of_a_folder_table_is_named(tmp_path):
    study = tiny_study.write_study(tmp_path / "tiny", samples=sample_rows("a [1]", ["one"]) + sample_rows("b=c", ["two"]))
    assert len(study.query("SELECT * FROM samples")) == 2
    (study.folder / "samples" / "b=c.parquet").unlink()
    with pytest.raises(InvalidTable, match="Table 'samples' of study 'tiny' cannot be read: b=c.parquet is missing"):
        study.query("SELECT * FROM samples")


def test_file_that_is_mended_is_read_again(tmp_path):
    study = tiny_study.write_study(tmp_path / "tiny", tiny_study.animal_rows())
    path = study.folder / "frequency.parquet"
    content = path.read_bytes()
    assert study.has("frequency")
    path.write_bytes(content[:100])
    with pytest.raises(InvalidTable):
        study.query("SELECT * FROM frequency")
    path.write_bytes(content)
    assert len(study.query("SELECT * FROM frequency")) == 8


def test_broken_file_of_a_study_that_one_step_makes_is_built_by_that_step(tmp_path):
    study = tiny_study.write_study(tmp_path / "tiny", tiny_study.animal_rows(), manifest={"arguments": {"published": {}}})
    assert study.has("frequency")
    (study.folder / "corpora.parquet").write_bytes(b"")
    with pytest.raises(InvalidTable, match=r"build it again: python -m precompute published --force$"):
        study.query("SELECT * FROM corpora")


def test_fault_of_this_program_is_not_told_as_a_broken_file(small_study):
    for sql in ("SELECT nothing FROM corpora", "SELEC", "SELECT $x", "SELECT CAST(title AS INT) FROM corpora"):
        with pytest.raises(duckdb.Error):
            small_study.query(sql)
