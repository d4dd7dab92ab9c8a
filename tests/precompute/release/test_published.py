"""The paper's study: its tables row by row, built once, whole or not at all."""

import json
from pathlib import Path

import pytest

from backend.errors import SourceError, TailscopeError
from backend.schema import TABLES
from backend.study import NOT_RELEASED, Study
from backend.validation import study_faults
from backend.writing import file_sha256, write_manifest
from precompute.release import published
from precompute.release.published import build_published, find_copy, locate_source
from tests.release_archive import HOSTILE, release_files, write_archive, write_folder


def silent(stage: str, done: float) -> None:
    """Progress that nobody looks at."""


def rows(study: Study, sql: str) -> list[tuple]:
    return list(study.query(sql).itertuples(index=False, name=None))


def checksums(folder: Path) -> dict[str, str]:
    """The tables of a study by name; the manifest differs in its time alone."""
    return {path.name: file_sha256(path) for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture
def out(tmp_path, small_archive) -> Path:
    """A folder with the small study built into it."""
    build_published(small_archive, tmp_path / "study", silent)
    return tmp_path / "study"


def test_every_table_is_there_and_without_fault(small_study):
    assert study_faults(small_study.folder) == []
    assert {name: table["rows"] for name, table in small_study.manifest.raw["tables"].items()} == {
        "concepts": 102,
        "corpora": 3,
        "frequency": 171,
        "models": 7,
        "performance": 270,
        "overall": 29,
        "alignment": 2,
        "tail": 48,
        "queries": 2,
        "scaling": 19,
    }


def test_manifest_tells_source_books_and_makers(small_study, small_archive):
    manifest = small_study.manifest.raw
    assert manifest["arguments"]["published"]["source"]["sha256"] == file_sha256(small_archive)
    assert manifest["counts"]["published"] == {
        "files": {"read": 28, "written": 28, "dropped": {}},
        "values": {"read": 520, "written": 518, "dropped": {"empty label": 2}},
    }
    assert {"revision", "code", "python", "duckdb", "numpy", "pyarrow"} <= set(manifest["built_with"])
    assert manifest["unpooled_tasks"] == ["imagenet-r"]


def test_rows_written_are_the_values_of_the_books(small_study):
    tables = small_study.manifest.raw["tables"]
    by_hand = rows(small_study, "SELECT count(*) FROM overall WHERE source LIKE 'OpenCLIP%'")[0][0]
    kept = sum(tables[name]["rows"] for name in ("frequency", "performance", "overall", "alignment", "tail"))
    assert kept - by_hand == small_study.manifest.raw["counts"]["published"]["values"]["written"] == 518


def test_concepts_have_kind_concept_and_words(small_study):
    sql = "SELECT task, kind, concept, words FROM concepts WHERE label = '{}'"
    found = {
        label: [(task, kind, concept, list(words)) for task, kind, concept, words in rows(small_study, sql.format(label))]
        for label in ("plane", "African_chameleon", "Acadian_Flycatcher", "jeans", "scissors")
    }
    assert found == {
        "plane": [("cifar10", "classification", "airplane", ["airplane"])],
        "African_chameleon": [("imagenet-r", "classification", "african chameleon", ["african", "chameleon"])],
        "Acadian_Flycatcher": [
            ("let_it_wag", "classification", "acadian flycatcher", ["acadian", "flycatcher"]),
            ("t2i", "generation", "acadian flycatcher", ["acadian", "flycatcher"]),
        ],
        "jeans": [("imagenet", "classification", "jeans", ["jean"])],
        "scissors": [("coco", "retrieval", "scissors", ["scissors"])],
    }


def test_corpora_have_their_full_size(small_study):
    assert rows(small_study, "SELECT corpus, title, pairs, indexed IS NULL FROM corpora ORDER BY pairs") == [
        ("cc3m", "CC-3M", 3_318_333, True),
        ("laion_aesthetics", "LAION-Aesthetics", 161_100_000, True),
        ("laion400m", "LAION-400M", 414_080_000, True),
    ]


def test_frequency_keeps_the_spelling_of_the_count_file(small_study):
    sql = "SELECT label, concept, modality, method, count FROM frequency WHERE concept = 'acadian flycatcher' ORDER BY 4"
    assert rows(small_study, sql) == [
        ("acadian flycatcher", "acadian flycatcher", "text", "lemmatized", 0),
        ("Acadian_Flycatcher", "acadian flycatcher", "image", "rampp@0.7", 3),
    ]


def test_performance_keeps_the_spelling_of_the_result_file(small_study):
    sql = """SELECT label, concept, value FROM performance
             WHERE concept = 'airplane' AND model = 'RN50/cc3m' ORDER BY value"""
    assert rows(small_study, sql) == [("plane", "airplane", 43)]


def test_test_items_are_known_for_lists_of_scores_alone(small_study):
    sql = "SELECT kind, max(n) AS most, count(n) = count(*) AS known FROM performance GROUP BY kind ORDER BY kind"
    known = {kind: known for kind, _, known in rows(small_study, sql)}
    assert known == {"classification": False, "generation": True, "retrieval": False}
    assert rows(small_study, "SELECT max(n) FROM performance") == [(3,)]


def test_model_has_a_corpus_where_its_data_is_one_of_the_study(small_study):
    sql = """SELECT model, architecture, coalesce(pretraining, ''), coalesce(corpus, '') FROM models ORDER BY model"""
    assert rows(small_study, sql) == [
        ("DeepFloyd_IF-I-L-v1.0", "DeepFloyd_IF-I-L-v1.0", "laion_aesthetics", "laion_aesthetics"),
        ("RN50/cc3m", "RN50", "cc3m", "cc3m"),
        ("ViT-B-32/datacomp", "ViT-B-32", "datacomp", ""),
        ("ViT-B-32/laion400m", "ViT-B-32", "laion400m", "laion400m"),
        ("ViT-B-32/openai", "ViT-B-32", "openai", ""),
        ("ViT-H-14/dfn", "ViT-H-14", "dfn", ""),
        ("craiyon_dalle-mini", "craiyon_dalle-mini", "laion_aesthetics", "laion_aesthetics"),
    ]


def test_imagenet_scores_by_hand_are_there_for_tail_models_that_no_file_scores(small_study):
    sql = """SELECT model, value, source LIKE 'OpenCLIP%' AS by_hand FROM overall
             WHERE task = 'imagenet' AND setting = 'ensemble' ORDER BY model"""
    assert rows(small_study, sql) == [
        ("RN50/cc3m", 25, False),
        ("ViT-B-32/datacomp", 70, False),
        ("ViT-B-32/laion400m", 60, False),
        ("ViT-B-32/openai", 63.32, True),
        ("ViT-H-14/dfn", 83.44, True),
    ]


def test_alignment_holds_fractions(small_study):
    assert rows(small_study, "SELECT * FROM alignment ORDER BY corpus") == [
        ("cc3m", "lemmatized+rampp@0.7", 557_683, 0.1681, 0.1787),
        ("laion400m", "lemmatized+rampp@0.7", 21_996_097, 0.0531, 0.0704),
    ]


def test_tail_holds_every_class_of_every_model(small_study):
    sql = "SELECT model, count(*), min(value), max(value) FROM tail GROUP BY model ORDER BY model"
    assert rows(small_study, sql) == [
        ("RN50/cc3m", 12, 3, 5),
        ("ViT-B-32/laion400m", 12, 39, 41),
        ("ViT-B-32/openai", 12, 29, 31),
        ("ViT-H-14/dfn", 12, 65, 67),
    ]


def test_folder_and_archive_make_the_same_tables(tmp_path, small_study):
    folder = write_folder(tmp_path / "release")
    build_published(folder, tmp_path / "study", silent)
    assert checksums(tmp_path / "study") == checksums(small_study.folder)


def test_order_of_the_archive_changes_no_table(tmp_path, small_study):
    files = dict(reversed(release_files().items()))
    build_published(write_archive(tmp_path / "main.tar.gz", files=files), tmp_path / "study", silent)
    assert checksums(tmp_path / "study") == checksums(small_study.folder)


def test_second_run_does_nothing(out, small_archive):
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert build_published(small_archive, out, silent) is None
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_same_archive_under_another_name_is_the_same_source(out, tmp_path, small_archive):
    renamed = tmp_path / "download.tar.gz"
    renamed.write_bytes(small_archive.read_bytes())
    assert build_published(renamed, out, silent) is None


def test_forced_run_builds_the_same_bytes_again(out, small_archive):
    before = checksums(out)
    assert build_published(small_archive, out, silent, force=True)["tables"]["tail"]["rows"] == 48
    assert checksums(out) == before
    assert [path.name for path in out.parent.iterdir()] == ["study"]


def test_changed_code_builds_again(out, small_archive, monkeypatch):
    monkeypatch.setattr("precompute.study_writer.code_sha256", lambda module: "other code")
    monkeypatch.setattr(published, "code_sha256", lambda module: "other code")
    manifest = build_published(small_archive, out, silent)
    assert manifest["built_with"]["code"] == "other code"


def test_other_source_is_refused_without_force(out, tmp_path):
    other = write_archive(tmp_path / "other.tar.gz", files=release_files() | {"more.txt": ""})
    before = checksums(out)
    with pytest.raises(TailscopeError) as error:
        build_published(other, out, silent)
    assert str(error.value) == (
        f"{out} was built from another source (small-main.tar.gz). Replace it with --force, or name another folder with --out."
    )
    assert checksums(out) == before
    assert build_published(other, out, silent, force=True)["arguments"]["published"]["source"]["name"] == "other.tar.gz"


def test_what_another_step_added_is_never_replaced(out, small_archive, monkeypatch):
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    manifest["arguments"]["index"] = {"mine": {}}
    write_manifest(out, manifest)
    before = checksums(out)
    monkeypatch.setattr("precompute.study_writer.code_sha256", lambda module: "other code")
    monkeypatch.setattr(published, "code_sha256", lambda module: "other code")
    assert build_published(small_archive, out, silent) is None
    with pytest.raises(TailscopeError, match="study holds more than the import: index. Delete it, or name another"):
        build_published(small_archive, out, silent, force=True)
    assert checksums(out) == before


@pytest.mark.parametrize("force", [False, True])
def test_folder_with_anything_else_is_refused_even_by_force(tmp_path, small_archive, force):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"meow")
    with pytest.raises(TailscopeError, match="photos is not empty and holds no study. Name another folder"):
        build_published(small_archive, tmp_path / "photos", silent, force=force)
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"meow"


@pytest.mark.parametrize("force", [False, True])
def test_another_study_is_refused_even_by_force(tmp_path, small_archive, force):
    (tmp_path / "mine").mkdir()
    write_manifest(tmp_path / "mine", {"title": "My corpus", "arguments": {"index": {}}})
    with pytest.raises(TailscopeError, match=r"mine holds another study \('My corpus'\)\. Name another folder"):
        build_published(small_archive, tmp_path / "mine", silent, force=force)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"title": "x", "arguments": {"published": {}}}'])
def test_unreadable_manifest_is_refused(tmp_path, small_archive, text):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "manifest.json").write_text(text)
    with pytest.raises(TailscopeError, match="manifest.json cannot be read .*Delete .*study, or name another folder"):
        build_published(small_archive, tmp_path / "study", silent)


def test_file_in_the_place_of_the_study_is_refused(tmp_path, small_archive):
    (tmp_path / "study").write_text("notes")
    with pytest.raises(TailscopeError, match="study is a file. Name a folder with --out"):
        build_published(small_archive, tmp_path / "study", silent, force=True)


def test_empty_folder_is_taken_and_absent_parents_are_made(tmp_path, small_archive):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert build_published(small_archive, tmp_path / "a" / "b", silent)["study"] == "b"
    assert build_published(small_archive, tmp_path / "new" / "c", silent)["study"] == "c"


@pytest.mark.parametrize("broken_table", ["concepts", "performance", "scaling"])
def test_killed_import_leaves_the_study_before_it_and_the_next_one_is_whole(out, small_archive, monkeypatch, broken_table):
    before = checksums(out) | {"manifest.json": file_sha256(out / "manifest.json")}
    write_table = published.write_table

    def killed(folder, name, table):
        if name == broken_table:
            raise KeyboardInterrupt
        return write_table(folder, name, table)

    monkeypatch.setattr(published, "write_table", killed)
    with pytest.raises(KeyboardInterrupt):
        build_published(small_archive, out, silent, force=True)
    assert checksums(out) | {"manifest.json": file_sha256(out / "manifest.json")} == before
    monkeypatch.undo()
    build_published(small_archive, out, silent, force=True)
    assert checksums(out) == {name: digest for name, digest in before.items() if name != "manifest.json"}
    assert [path.name for path in out.parent.iterdir()] == ["study"]


def test_killed_first_import_leaves_no_study(tmp_path, small_archive, monkeypatch):
    def killed(folder, manifest):
        raise KeyboardInterrupt

    monkeypatch.setattr(published, "write_manifest", killed)
    with pytest.raises(KeyboardInterrupt):
        build_published(small_archive, tmp_path / "study", silent)
    assert not (tmp_path / "study").exists()


def test_second_import_at_the_same_time_is_refused(tmp_path, small_archive, monkeypatch):
    write_table = published.write_table
    refusals = []

    def write_meanwhile(folder, name, table):
        if name == "tail":
            with pytest.raises(TailscopeError, match="Another step writes .*/study. Wait for its end") as error:
                build_published(small_archive, tmp_path / "study", silent)
            refusals.append(error.value)
        return write_table(folder, name, table)

    monkeypatch.setattr(published, "write_table", write_meanwhile)
    build_published(small_archive, tmp_path / "study", silent)
    assert len(refusals) == 1
    assert study_faults(tmp_path / "study") == []


def test_source_without_a_count_file_is_no_release_and_leaves_nothing(tmp_path):
    archive = write_archive(tmp_path / "main.tar.gz", files={"README.md": "x"})
    with pytest.raises(SourceError, match=r"main\.tar\.gz holds no count file .*one top folder"):
        build_published(archive, tmp_path / "study", silent)
    assert [path.name for path in tmp_path.iterdir()] == ["main.tar.gz"]


def test_hostile_entries_are_named_and_the_study_is_whole(tmp_path, small_study):
    archive = write_archive(tmp_path / "main.tar.gz", HOSTILE.values())
    manifest = build_published(archive, tmp_path / "study", silent)
    assert study_faults(tmp_path / "study") == []
    assert json.loads((tmp_path / "study" / "manifest.json").read_text(encoding="utf-8"))["faults"] == manifest["faults"]
    assert manifest["counts"]["published"]["files"]["dropped"]["path outside the release"] == 3
    same = "SELECT * FROM frequency WHERE task <> 'food101' ORDER BY ALL"
    assert rows(Study(tmp_path / "study"), same) == rows(small_study, same)


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        ("zero_shot_evaluations", set()),
        ("t2i_evaluations", set()),
        ("misalignment_metrics", {"alignment"}),
        ("let_it_wag_datasets", {"tail"}),
    ],
)
def test_part_of_a_release_makes_the_tables_that_it_has(tmp_path, left_out, missing):
    files = {name: content for name, content in release_files().items() if left_out not in name}
    manifest = build_published(write_archive(tmp_path / "main.tar.gz", files=files), tmp_path / "study", silent)
    assert set(TABLES) - NOT_RELEASED - set(manifest["tables"]) == missing
    assert study_faults(tmp_path / "study") == []


def test_counts_alone_are_a_study(tmp_path):
    files = {name: content for name, content in release_files().items() if name.startswith("search_counts/")}
    manifest = build_published(write_archive(tmp_path / "main.tar.gz", files=files), tmp_path / "study", silent)
    assert list(manifest["tables"]) == ["concepts", "corpora", "frequency", "queries"]
    assert study_faults(tmp_path / "study") == []
    kinds = rows(Study(tmp_path / "study"), "SELECT DISTINCT task, kind FROM concepts WHERE task IN ('coco', 't2i')")
    assert sorted(kinds) == [("coco", "retrieval"), ("t2i", "generation")]


def test_class_list_that_differs_from_the_results_is_a_named_fault(tmp_path):
    files = release_files() | {"let_it_wag_datasets/let_it_wag_class_list.txt": '"A300B4"\n"Dodo"\n'}
    manifest = build_published(write_archive(tmp_path / "main.tar.gz", files=files), tmp_path / "study", silent)
    (line,) = [line for line in manifest["faults"] if line.startswith("let_it_wag")]
    assert line.startswith("let_it_wag_class_list.txt: 12 names differ from the results: ['A310', 'Acadian_Flycatcher'")


def test_copy_beside_the_checkout_is_found_first(tmp_path):
    assert find_copy((tmp_path / "absent", tmp_path)) is None
    (tmp_path / "frequency_determines_performance-notes").mkdir()
    assert find_copy((tmp_path,)) is None
    folder = write_folder(tmp_path / "frequency_determines_performance-old")
    assert find_copy((tmp_path,)) == folder
    archive = write_archive(tmp_path / "frequency_determines_performance-main.tar.gz")
    assert find_copy((tmp_path,)) == archive


def test_named_source_that_is_absent_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="No release at .*absent.tar.gz. Name a folder, a .tar.gz file or a URL"):
        locate_source(str(tmp_path / "absent.tar.gz"))


def test_named_source_wins_over_a_copy(tmp_path, small_archive, monkeypatch):
    monkeypatch.setattr(published, "COPY_PLACES", (tmp_path,))
    assert locate_source(str(small_archive)) == small_archive


def test_address_is_fetched_into_the_downloads(tmp_path, small_archive, monkeypatch):
    asked = []
    monkeypatch.setattr(published, "download", lambda url, folder: asked.append((url, folder)) or small_archive)
    monkeypatch.setattr(published, "find_copy", lambda: None)
    assert locate_source("https://example.org/main.tar.gz") == small_archive
    assert locate_source(None) == small_archive
    assert [url for url, _ in asked] == [
        "https://example.org/main.tar.gz",
        "https://github.com/bethgelab/frequency_determines_performance/archive/refs/heads/main.tar.gz",
    ]
    assert {folder.name for _, folder in asked} == {"downloads"}
