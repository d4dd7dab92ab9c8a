"""How a table is written and checked: every kind of fault has its own line, and a refused table leaves nothing."""

import json
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import InvalidTable
from backend.schema import (
    MANIFEST,
    SCHEMA_VERSION,
    TABLES,
    corpus_files,
    part_name,
    parts_path,
    table_files,
    table_path,
)
from backend.study import Study
from backend.tables import write_table
from backend.validation import study_faults
from backend.writing import corpus_entry, file_entry, file_sha256, folder_entry, write_manifest
from tests.tiny_study import count_rows, write_study

CORPORA = {
    "corpus": ["cc3m", "mine"],
    "title": ["CC-3M", "Mine"],
    "pairs": [3_318_333, None],
    "indexed": [None, 12],
    "source": ["paper", "me"],
}


def corpora(**columns: list) -> pa.Table:
    """A table of two corpora, with some columns replaced."""
    return pa.table(CORPORA | columns)


@pytest.fixture
def study(small_study, tmp_path) -> Path:
    """A copy of the small study, to break."""
    return Path(shutil.copytree(small_study.folder, tmp_path / "study"))


def change_manifest(study: Path, **entries) -> None:
    manifest = json.loads((study / MANIFEST).read_text(encoding="utf-8"))
    write_manifest(study, manifest | entries)


def list_table(study: Path, name: str) -> None:
    """Makes the manifest describe the table as it lies there now."""
    path = study / f"{name}.parquet"
    tables = json.loads((study / MANIFEST).read_text(encoding="utf-8"))["tables"]
    entry = {"rows": pq.read_metadata(path).num_rows, "sha256": file_sha256(path)}
    change_manifest(study, tables=tables | {name: entry})


def rewrite(study: Path, name: str, table: pa.Table) -> None:
    """Puts rows into a study past every check, as another program would."""
    pq.write_table(table, study / f"{name}.parquet")
    list_table(study, name)


def with_first(table: pa.Table, column: str, value: object) -> pa.Table:
    """The table with another value in the first row of a column."""
    index = table.schema.get_field_index(column)
    values = [value, *table[column].to_pylist()[1:]]
    return table.set_column(index, table.schema.field(column), pa.array(values, table.schema.field(column).type))


def test_written_table_reads_back_with_its_schema(tmp_path):
    entry = write_table(tmp_path, "corpora", corpora())
    table = pq.read_table(tmp_path / "corpora.parquet")
    assert table.schema.equals(TABLES["corpora"].schema)
    assert table.to_pydict() == CORPORA
    assert entry == {"rows": 2, "sha256": file_sha256(tmp_path / "corpora.parquet")}


def test_columns_are_put_in_the_order_of_the_schema(tmp_path):
    write_table(tmp_path, "corpora", corpora().select(["source", "title", "pairs", "corpus", "indexed"]))
    assert pq.read_table(tmp_path / "corpora.parquet").column_names == list(CORPORA)


def test_table_is_compressed_with_zstd(tmp_path):
    write_table(tmp_path, "corpora", corpora())
    row_group = pq.read_metadata(tmp_path / "corpora.parquet").row_group(0)
    assert {row_group.column(k).compression for k in range(row_group.num_columns)} == {"ZSTD"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (corpora().drop_columns(["pairs"]), "corpora: the columns do not fit the schema: .*pairs"),
        (corpora(pairs=["many", None]), "corpora: the columns do not fit the schema: .*many"),
        (corpora(pairs=[0.5, None]), "corpora: the columns do not fit the schema: .*0.5"),
        (corpora(pairs=[[1], None]), "corpora: the columns do not fit the schema: "),
        (corpora(title=["CC-3M", None]), "corpora: .*title.* null"),
        (corpora(corpus=["cc3m", "cc3m"]), r"corpora: 1 rows repeat the key \(corpus\)"),
        (corpora(indexed=[-1, None]), "corpora: column indexed has the negative value -1"),
    ],
    ids=["column missing", "text for number", "fraction", "list", "null", "key twice", "negative"],
)
def test_table_with_a_fault_is_refused_and_nothing_is_written(tmp_path, table, message):
    with pytest.raises(InvalidTable, match=message):
        write_table(tmp_path, "corpora", table)
    assert list(tmp_path.iterdir()) == []


def test_table_with_an_unknown_word_or_an_infinite_value_is_refused(tmp_path):
    row = {"task": "a", "kind": "guessing", "model": "m", "setting": "s", "value": float("inf"), "source": "x"}
    with pytest.raises(InvalidTable) as error:
        write_table(tmp_path, "overall", pa.Table.from_pylist([row]))
    assert str(error.value) == (
        "overall: column value has values that are not finite; "
        "column kind has 'guessing'; allowed are classification, retrieval, generation"
    )


def test_refused_table_leaves_the_one_before_it(tmp_path):
    write_table(tmp_path, "corpora", corpora())
    before = (tmp_path / "corpora.parquet").read_bytes()
    with pytest.raises(InvalidTable):
        write_table(tmp_path, "corpora", corpora(corpus=["cc3m", "cc3m"]))
    assert (tmp_path / "corpora.parquet").read_bytes() == before


def test_write_that_breaks_off_leaves_the_table_before_it(tmp_path, monkeypatch):
    write_table(tmp_path, "corpora", corpora())
    before = (tmp_path / "corpora.parquet").read_bytes()

    def break_off(table, path, **options):
        Path(path).write_bytes(b"PAR1 and no more")
        raise OSError("No space left on device")

    monkeypatch.setattr(pq, "write_table", break_off)
    with pytest.raises(OSError, match="No space left"):
        write_table(tmp_path, "corpora", corpora(title=["Other", "Mine"]))
    assert (tmp_path / "corpora.parquet").read_bytes() == before


def test_study_without_a_fault_has_no_line(small_study):
    assert study_faults(small_study.folder) == []


def test_folder_without_manifest_is_named(tmp_path):
    assert study_faults(tmp_path) == [f"manifest.json: missing in {tmp_path}, so no step has finished here"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"tables": {}}', '{"schema_version": 1}', "\xff"],
)
def test_unreadable_manifest_is_one_line(tmp_path, text):
    (tmp_path / MANIFEST).write_bytes(text.encode("latin-1"))
    (line,) = study_faults(tmp_path)
    assert line.startswith("manifest.json: cannot be read")


@pytest.mark.parametrize("tables", [["corpora"], {"corpora": 12}, {"corpora": None}, 7])
def test_manifest_of_another_shape_is_one_line(tmp_path, tables):
    write_table(tmp_path, "corpora", corpora())
    write_manifest(tmp_path, {"schema_version": SCHEMA_VERSION, "tables": tables})
    assert len(study_faults(tmp_path)) == 1


def test_other_schema_version_is_a_fault(study):
    change_manifest(study, schema_version=99)
    assert study_faults(study) == [f"manifest.json: schema version 99, this program reads {SCHEMA_VERSION}"]


def test_listed_table_that_is_missing_is_a_fault(study):
    (study / "alignment.parquet").unlink()
    assert study_faults(study) == ["alignment: listed in the manifest, but alignment.parquet is missing"]


def test_table_that_the_manifest_does_not_list_is_a_fault(study):
    tables = json.loads((study / MANIFEST).read_text(encoding="utf-8"))["tables"]
    change_manifest(study, tables={name: entry for name, entry in tables.items() if name != "tail"})
    assert study_faults(study) == ["tail: tail.parquet lies here, but the manifest does not list it"]


def test_table_of_no_known_name_is_a_fault(study):
    tables = json.loads((study / MANIFEST).read_text(encoding="utf-8"))["tables"]
    change_manifest(study, tables=tables | {"horoscope": {"rows": 12, "sha256": ""}})
    assert study_faults(study) == ["horoscope: listed in the manifest, but no such table is known"]


def test_changed_byte_is_a_fault(study):
    path = study / "tail.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert study_faults(study) == ["tail: tail.parquet is not the file that the manifest describes (sha256 differs)"]


def test_file_that_is_no_parquet_is_a_fault(study):
    (study / "tail.parquet").write_text("label,value\n")
    tables = json.loads((study / MANIFEST).read_text(encoding="utf-8"))["tables"]
    tables["tail"]["sha256"] = file_sha256(study / "tail.parquet")
    change_manifest(study, tables=tables)
    (line,) = study_faults(study)
    assert line.startswith("tail: tail.parquet is not a readable Parquet file: ")


def test_other_columns_are_a_fault(study):
    table = pq.read_table(study / "corpora.parquet")
    rewrite(study, "corpora", table.rename_columns(["corpus", "name", "pairs", "indexed", "source"]))
    (line,) = study_faults(study)
    assert line.startswith("corpora: columns are (corpus string, name string, pairs int64")


def test_other_row_count_is_a_fault(study):
    tables = json.loads((study / MANIFEST).read_text(encoding="utf-8"))["tables"]
    tables["alignment"]["rows"] = 7
    change_manifest(study, tables=tables)
    assert study_faults(study) == ["alignment: 2 rows, the manifest says 7"]


@pytest.mark.parametrize(
    ("name", "column", "value", "fault"),
    [
        ("frequency", "count", -1, "column count has the negative value -1"),
        ("frequency", "modality", "smell", "column modality has 'smell'; allowed are text, image, joint"),
        ("performance", "kind", "x", "column kind has 'x'; allowed are classification, retrieval, generation"),
        ("performance", "value", float("nan"), "column value has values that are not finite"),
        ("overall", "value", float("-inf"), "column value has values that are not finite"),
        ("alignment", "degree", -0.5, "column degree has the negative value -0.5"),
    ],
)
def test_wrong_value_is_a_fault(study, name, column, value, fault):
    table = pq.read_table(study / f"{name}.parquet")
    rewrite(study, name, with_first(table, column, value))
    assert study_faults(study)[0] == f"{name}: {fault}"


def test_repeated_key_is_a_fault(study):
    table = pq.read_table(study / "corpora.parquet")
    rewrite(study, "corpora", pa.concat_tables([table, table.slice(0, 1)]))
    assert study_faults(study) == ["corpora: 1 rows repeat the key (corpus)"]


def test_null_where_none_may_be_is_a_fault(study):
    table = pq.read_table(study / "alignment.parquet")
    nullable = pa.schema([field.with_nullable(True) for field in table.schema])
    table = with_first(table.cast(nullable), "degree", None)
    pq.write_table(table, study / "alignment.parquet")
    list_table(study, "alignment")
    assert len(study_faults(study)) == 1


@pytest.mark.parametrize(
    ("name", "column", "line"),
    [
        ("frequency", "corpus", "frequency: 1 corpus not in corpora, such as nowhere"),
        ("models", "corpus", "models: 1 corpus not in corpora, such as nowhere"),
        ("alignment", "corpus", "alignment: 1 corpus not in corpora, such as nowhere"),
        ("performance", "model", "performance: 1 model not in models, such as nowhere"),
        ("overall", "model", "overall: 1 model not in models, such as nowhere"),
        ("tail", "model", "tail: 1 model not in models, such as nowhere"),
        ("frequency", "label", "frequency: 1 task/label not in concepts, such as cifar10 / nowhere"),
        ("performance", "label", "performance: 1 task/label not in concepts, such as cifar10 / nowhere"),
        ("tail", "label", "tail: 1 task/label not in concepts, such as let_it_wag / nowhere"),
    ],
)
def test_reference_to_nothing_is_a_fault(study, name, column, line):
    table = pq.read_table(study / f"{name}.parquet")
    if (name, column) == ("performance", "label"):
        first = table["task"].to_pylist().index("cifar10")
        table = pa.concat_tables([table.slice(first, 1), table.slice(0, first), table.slice(first + 1)])
    rewrite(study, name, with_first(table, column, "nowhere"))
    assert study_faults(study) == [line]


def test_model_without_corpus_refers_to_nothing(small_study):
    models = small_study.query("SELECT model FROM models WHERE corpus IS NULL ORDER BY model")
    assert list(models["model"]) == ["ViT-B-32/datacomp", "ViT-B-32/openai", "ViT-H-14/dfn"]
    assert study_faults(small_study.folder) == []


def test_every_fault_of_a_study_has_its_own_line(study):
    (study / "alignment.parquet").unlink()
    (study / "tail.parquet").write_bytes(b"")
    change_manifest(study, schema_version=99)
    assert [line.split(":")[0] for line in study_faults(study)] == ["manifest.json", "alignment", "tail"]


# Folder tables


def sample_row(sample_id: int, corpus: str = "mine", **columns) -> dict:
    row = {"corpus": corpus, "sample_id": sample_id, "caption": "a rose", "image": "0.tar", "offset": 512, "length": 9}
    return row | {"width": 4, "height": 4} | columns


def hit_row(sample_id: int, corpus: str = "mine", **columns) -> dict:
    row = {"corpus": corpus, "concept": "rose", "modality": "text", "method": "phrase", "sample_id": sample_id, "score": None}
    return row | columns


def misaligned_row(sample_id: int, corpus: str = "mine", **columns) -> dict:
    row = {"corpus": corpus, "sample_id": sample_id, "text_concepts": ["rose"], "image_concepts": ["lily"]}
    return row | {"image_scores": [0.5], "best": 0.5, "agreed": None} | columns


def to_table(name: str, rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES[name].schema)


@pytest.fixture
def sampled(tmp_path) -> Path:
    """A study of two corpora, one with two samples and one with a sample that nothing was found in."""
    counts = [row for corpus in ("mine", "other") for row in count_rows(corpus, "phrase", {"rose": 1})]
    quality = {"corpus": "mine", "split": "test", "modality": "image", "method": "openclip@0.20", "threshold": 0.2}
    quality |= {"found": 4, "relevant": 5, "correct": 3, "precision": 0.75, "recall": 0.6, "frequency_error": None}
    study = write_study(
        tmp_path / "sampled",
        counts,
        samples=[sample_row(1), sample_row(2, image=None, offset=None, width=None), sample_row(1, "other")],
        hits=[hit_row(1), hit_row(1, modality="image", method="openclip@0.20", score=0.25), hit_row(2)],
        misaligned=[misaligned_row(2)],
        search_quality=[quality],
        truth=[{"corpus": "mine", "concept": "rose", "modality": "image", "count": 5}],
    )
    return study.folder


def rewrite_file(study: Path, name: str, rows: list[dict] | pa.Table, corpus: str = "mine") -> None:
    """Puts rows into a file of a folder table past every check, and lists it."""
    path = study / name / f"{corpus}.parquet"
    pq.write_table(rows if isinstance(rows, pa.Table) else to_table(name, rows), path)
    tables = json.loads((study / MANIFEST).read_text(encoding="utf-8"))["tables"]
    tables[name] = folder_entry(tables[name]["files"] | {corpus: file_entry(path)})
    change_manifest(study, tables=tables)


def test_study_with_samples_has_no_line(sampled):
    assert study_faults(sampled) == []


def test_folder_table_has_a_file_for_each_corpus(sampled):
    assert sorted(path.name for path in (sampled / "samples").iterdir()) == ["mine.parquet", "other.parquet"]
    assert table_files(sampled, "samples") == {
        "mine": [sampled / "samples" / "mine.parquet"],
        "other": [sampled / "samples" / "other.parquet"],
    }
    assert table_files(sampled, "truth") == {None: [sampled / "truth.parquet"]}
    assert table_files(sampled, "tail") == table_files(sampled / "absent", "hits") == {}
    entry = json.loads((sampled / MANIFEST).read_text(encoding="utf-8"))["tables"]["samples"]
    assert (entry["rows"], entry["files"]["mine"]) == (3, file_entry(sampled / "samples" / "mine.parquet"))


@pytest.fixture
def in_parts(sampled) -> Path:
    """The study with the samples of one corpus in two files, the second of which has two."""
    place = parts_path(sampled, "samples", "mine")
    table_path(sampled, "samples", "mine").unlink()
    place.mkdir()
    for number, ids in enumerate(([1], [2, 3])):
        pq.write_table(to_table("samples", [sample_row(one) for one in ids]), place / part_name(number))
    list_parts(sampled)
    return sampled


def list_parts(study: Path) -> None:
    """Makes the manifest describe the samples of the corpus as they lie there now."""
    tables = json.loads((study / MANIFEST).read_text(encoding="utf-8"))["tables"]
    entry = corpus_entry(corpus_files(study, "samples", "mine"))
    tables["samples"] = folder_entry(tables["samples"]["files"] | {"mine": entry})
    change_manifest(study, tables=tables)


def test_corpus_in_several_files_is_read_as_one(in_parts):
    assert study_faults(in_parts) == []
    assert [path.name for path in table_files(in_parts, "samples")["mine"]] == ["00000.parquet", "00001.parquet"]
    study = Study(in_parts)
    assert study.list_corpora("samples") == ["mine", "other"]
    rows = study.query("SELECT sample_id FROM samples WHERE corpus = 'mine'")
    assert rows["sample_id"].tolist() == [1, 2, 3]
    assert study.manifest.tables["samples"].files["mine"].rows == 3
    assert study.manifest.tables["samples"].rows == 4


def test_what_is_wrong_with_one_of_several_files_is_told_of_it(in_parts):
    place = parts_path(in_parts, "samples", "mine")
    (place / "00001.parquet").rename(place / "00002.parquet")
    assert study_faults(in_parts) == [
        "samples/mine/00001: listed in the manifest, but 00001.parquet is missing",
        "samples/mine/00002: 00002.parquet lies here, but the manifest does not list it",
    ]


def test_key_that_stands_in_two_files_is_a_fault(in_parts):
    pq.write_table(
        to_table("samples", [sample_row(1), sample_row(2)]), parts_path(in_parts, "samples", "mine") / "00001.parquet"
    )
    list_parts(in_parts)
    assert study_faults(in_parts) == ["samples/mine: 1 rows repeat the key (sample_id)"]


def test_files_of_before_beside_several_are_a_fault(in_parts):
    shutil.copy(table_path(in_parts, "samples", "other"), table_path(in_parts, "samples", "mine"))
    assert study_faults(in_parts) == ["samples/mine: mine.parquet lies here, but the manifest does not list it"]


def test_checksum_of_several_files_is_theirs(in_parts):
    tables = json.loads((in_parts / MANIFEST).read_text(encoding="utf-8"))["tables"]
    tables["samples"]["files"]["mine"]["sha256"] = "0" * 64
    change_manifest(in_parts, tables=tables)
    assert study_faults(in_parts) == ["samples/mine: the manifest's sha256 of it is not that of its files"]


def test_what_is_looked_up_has_statistics_of_its_key_alone(tmp_path):
    write_table(tmp_path, "samples", to_table("samples", [sample_row(1), sample_row(2)]), "mine")
    group = pq.read_metadata(tmp_path / "samples" / "mine.parquet").row_group(0)
    columns = {group.column(k).path_in_schema: group.column(k) for k in range(group.num_columns)}
    assert (columns["sample_id"].statistics.min, columns["sample_id"].statistics.max) == (1, 2)
    assert columns["caption"].statistics is None


def test_samples_lie_in_small_groups_of_rows(tmp_path):
    write_table(tmp_path, "samples", to_table("samples", [sample_row(i) for i in range(32_769)]), "mine")
    assert pq.read_metadata(tmp_path / "samples" / "mine.parquet").num_row_groups == 2


@pytest.mark.parametrize("corpus", ["", "a/b", "../b", ".hidden", "a\\b"])
def test_corpus_that_cannot_name_a_file_is_refused(tmp_path, corpus):
    with pytest.raises(InvalidTable, match="cannot name a file"):
        table_path(tmp_path, "samples", corpus)


def test_row_of_another_corpus_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InvalidTable, match=r"^hits: 1 rows are of another corpus$"):
        write_table(tmp_path, "hits", to_table("hits", [hit_row(1), hit_row(2, "other")]), "mine")
    assert list(tmp_path.iterdir()) == []


def test_file_that_duckdb_wrote_has_no_fault(sampled):
    spec = TABLES["hits"]
    path = table_path(sampled, "hits", "mine")
    rows = to_table("hits", [hit_row(2), hit_row(1, modality="image", method="openclip@0.20", score=0.25), hit_row(1)])
    with duckdb.connect() as connection:
        connection.register("found", rows)
        connection.execute(
            f"COPY (SELECT * FROM found ORDER BY {spec.order}) TO '{path}' (COMPRESSION zstd, ROW_GROUP_SIZE {spec.row_group})"
        )
        connection.execute(
            "CREATE TABLE seen (corpus VARCHAR, sample_id BIGINT, text_concepts VARCHAR[], "
            "image_concepts VARCHAR[], image_scores FLOAT[], best FLOAT, agreed FLOAT)"
        )
        connection.execute("INSERT INTO seen VALUES ('mine', 2, [], ['rose'], [0.5], 0.5, NULL)")
        connection.execute(f"COPY seen TO '{table_path(sampled, 'misaligned', 'mine')}'")
    tables = json.loads((sampled / MANIFEST).read_text(encoding="utf-8"))["tables"]
    entries = {name: folder_entry({"mine": file_entry(table_path(sampled, name, "mine"))}) for name in ("hits", "misaligned")}
    change_manifest(sampled, tables=tables | entries)
    assert study_faults(sampled) == []
    assert pq.read_table(path)["modality"].to_pylist() == ["image", "text", "text"]


def test_missing_and_unlisted_files_are_faults(sampled):
    (sampled / "samples" / "other.parquet").rename(sampled / "samples" / "third.parquet")
    assert study_faults(sampled) == [
        "samples/other: listed in the manifest, but other.parquet is missing",
        "samples/third: third.parquet lies here, but the manifest does not list it",
    ]


def test_folder_that_the_manifest_does_not_list_is_a_fault(sampled):
    tables = json.loads((sampled / MANIFEST).read_text(encoding="utf-8"))["tables"]
    del tables["misaligned"]
    change_manifest(sampled, tables=tables)
    assert study_faults(sampled) == ["misaligned/mine: mine.parquet lies here, but the manifest does not list it"]


def test_changed_file_of_a_folder_is_a_fault(sampled):
    (sampled / "hits" / "mine.parquet").write_bytes(b"")
    assert study_faults(sampled) == ["hits/mine: mine.parquet is not the file that the manifest describes (sha256 differs)"]


def test_other_columns_in_a_folder_are_a_fault(sampled):
    rewrite_file(sampled, "hits", to_table("hits", [hit_row(1)]).drop_columns(["score"]))
    (line,) = study_faults(sampled)
    assert line.startswith("hits/mine: columns are (corpus string, concept string")


def test_other_row_counts_of_a_folder_are_faults(sampled):
    tables = json.loads((sampled / MANIFEST).read_text(encoding="utf-8"))["tables"]
    tables["hits"]["files"]["mine"]["rows"] = 4
    change_manifest(sampled, tables=tables)
    assert study_faults(sampled) == [
        "hits/mine: 3 rows, the manifest says 4",
        "hits: its files have 4 rows by the manifest, which says 3 in all",
    ]


@pytest.mark.parametrize(
    ("name", "rows", "fault"),
    [
        ("samples", [sample_row(1), sample_row(2), sample_row(2)], "1 rows repeat the key (sample_id)"),
        ("misaligned", [misaligned_row(2), misaligned_row(2)], "1 rows repeat the key (sample_id)"),
        ("hits", [hit_row(1), hit_row(1, score=0.5)], "1 rows repeat the key (concept, modality, method, sample_id)"),
        ("samples", [sample_row(1), sample_row(2, "other")], "1 rows are of another corpus"),
        ("samples", [sample_row(1), sample_row(2, width=-1)], "column width has the negative value -1"),
        ("hits", [hit_row(1, modality="joint")], "column modality has 'joint'; allowed are text, image"),
        ("hits", [hit_row(1, score=float("inf"))], "column score has values that are not finite"),
    ],
)
def test_wrong_row_in_a_folder_is_a_fault(sampled, name, rows, fault):
    with pytest.raises(InvalidTable) as error:
        write_table(sampled, name, to_table(name, rows), "mine")
    assert str(error.value) == f"{name}: {fault}"
    rewrite_file(sampled, name, rows)
    assert study_faults(sampled) == [f"{name}/mine: {fault}"]


def test_null_where_none_may_be_in_a_folder_is_a_fault(sampled):
    nullable = pa.schema([field.with_nullable(True) for field in TABLES["samples"].schema])
    rewrite_file(sampled, "samples", pa.Table.from_pylist([sample_row(1), sample_row(2, caption=None)], schema=nullable))
    assert study_faults(sampled) == ["samples/mine: column caption has 1 nulls"]


@pytest.mark.parametrize(
    ("name", "rows", "line"),
    [
        ("hits", [hit_row(1), hit_row(7), hit_row(8)], "hits/mine: 2 sample_id not in samples, such as 7"),
        ("misaligned", [misaligned_row(9)], "misaligned/mine: 1 sample_id not in samples, such as 9"),
        ("hits", [hit_row(1, concept="orchid")], "hits/mine: 1 concept not in concepts, such as orchid"),
    ],
)
def test_reference_of_a_folder_to_nothing_is_a_fault(sampled, name, rows, line):
    rewrite_file(sampled, name, rows)
    assert study_faults(sampled) == [line]


def test_sample_of_another_corpus_is_no_sample_of_this_one(sampled):
    rewrite_file(sampled, "hits", [hit_row(2, "other")], "other")
    assert study_faults(sampled) == ["hits/other: 1 sample_id not in samples, such as 2"]


def test_hits_of_a_corpus_without_samples_are_a_fault(sampled):
    rewrite_file(sampled, "hits", [hit_row(1, "third")], "third")
    assert study_faults(sampled) == [
        "hits: 1 corpus not in corpora, such as third",
        "hits/third: the study holds no samples of this corpus",
    ]


def test_counts_and_hits_without_any_samples_are_a_study(sampled):
    shutil.rmtree(sampled / "samples")
    tables = json.loads((sampled / MANIFEST).read_text(encoding="utf-8"))["tables"]
    del tables["samples"]
    change_manifest(sampled, tables=tables)
    assert study_faults(sampled) == []


@pytest.mark.parametrize(
    ("name", "column", "line"),
    [
        ("truth", "corpus", "truth: 1 corpus not in corpora, such as nowhere"),
        ("truth", "concept", "truth: 1 concept not in concepts, such as nowhere"),
    ],
)
def test_reference_of_a_measured_search_to_nothing_is_a_fault(sampled, name, column, line):
    rewrite(sampled, name, with_first(pq.read_table(sampled / f"{name}.parquet"), column, "nowhere"))
    assert study_faults(sampled) == [line]


@pytest.mark.parametrize("files", [None, [], ["mine"], {"mine": None}, {"mine": {"rows": None, "sha256": ""}}])
def test_folder_entry_of_another_shape_is_one_line(sampled, files):
    tables = json.loads((sampled / MANIFEST).read_text(encoding="utf-8"))["tables"]
    change_manifest(sampled, tables=tables | {"hits": {"rows": 3, "files": files}})
    (line,) = study_faults(sampled)
    assert line.startswith("manifest.json: cannot be read")
