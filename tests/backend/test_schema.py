"""How a table is written and checked: every kind of fault has its own line, and a refused table leaves nothing."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import InvalidTable
from backend.schema import MANIFEST, TABLES, file_sha256, study_faults, write_manifest, write_table

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
    write_manifest(tmp_path, {"schema_version": 1, "tables": tables})
    assert len(study_faults(tmp_path)) == 1


def test_other_schema_version_is_a_fault(study):
    change_manifest(study, schema_version=99)
    assert study_faults(study) == ["manifest.json: schema version 99, this program reads 1"]


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
    change_manifest(study, schema_version=2)
    assert [line.split(":")[0] for line in study_faults(study)] == ["manifest.json", "alignment", "tail"]
