"""A corpus becomes part of a study: its tables, its books, and what a run that was killed leaves to the next one."""

import dataclasses
import io
import os
import shutil
import tarfile

import pyarrow.parquet as pq
import pytest
from PIL import Image

from backend.alignment import list_degrees
from backend.disagreements import count_misaligned
from backend.distinct import list_distinct
from backend.drops import list_drops
from backend.errors import InvalidTable, MissingTable, SourceError, StudyNotFound, TailscopeError
from backend.images import read_image_bytes
from backend.manifest import ChosenMethods
from backend.roots import allowed_roots, declare_roots
from backend.samples import count_hits, describe_search, find_hits
from backend.schema import SEARCHED, corpus_files
from backend.study import Study
from backend.validation import study_faults
from backend.writing import file_sha256
from precompute.corpus.registry import find_shards
from precompute.corpus.shard import ReadOptions
from precompute.search import merge
from precompute.search import shards as shard_search
from precompute.search.corpus import CorpusPlan, IndexedCorpus, add_corpus, index_corpus
from precompute.search.index import Request, index_study
from precompute.search.plan import THRESHOLDS, ImageSearch, check_thresholds
from precompute.study_writer import extend_study
from precompute.vocabulary import add_tasks
from tests.precompute.colour_shards import ColourRecipe, picture, write_shard
from tests.precompute.corpus.shard_files import write_tar
from tests.tiny_study import count_rows, write_study

RED, GREEN, BLACK = picture(128, 0, 0), picture(0, 96, 0), picture(0, 0, 0)
SHARDS = {
    "0.tar": [("A rose.", RED), ("Roses and a fern", GREEN), ("A fern", RED)],
    "1.tar": [("nothing", GREEN), ("rose", b"no image")],
    "2.tar": [("a rose in the sky", RED)],
}
SEARCH = ImageSearch(ColourRecipe(), None, (0.25, 0.5), 0.25)  # red scores 0.5, green 0.375


@pytest.fixture
def corpus(tmp_path):
    """A folder of three shards."""
    for name, samples in SHARDS.items():
        write_shard(tmp_path / "corpus" / name, samples)
    return tmp_path / "corpus"


@pytest.fixture
def study(tmp_path):
    """A study that knows its concepts alone."""
    (tmp_path / "names.txt").write_text("Rose\nfern\nsky\n!!!\n")
    add_tasks(tmp_path / "studies" / "mine", {"plants": tmp_path / "names.txt"})
    return tmp_path / "studies" / "mine"


def add(study, shards, corpus: str = "mine", search: ImageSearch | None = SEARCH, work=None, **options) -> IndexedCorpus:
    """Indexes shards into a study by a tagger that needs no model."""
    work = work or study.with_name("work")
    plan = CorpusPlan(
        corpus, "Mine", find_shards([str(shards)], ReadOptions(images=options.pop("images", None))), work, study, search
    )
    with extend_study(study) as (part, manifest):
        indexed = index_corpus(part, plan, **options)
        add_corpus(part, manifest, indexed)
    declare_roots(study, {shard.root for shard in plan.shards})
    return indexed


def checksums(study) -> dict[str, str]:
    return {str(path.relative_to(study)): file_sha256(path) for path in sorted(study.rglob("*.parquet"))}


def count(study, sql: str) -> list[tuple]:
    return list(Study(study).query(sql).itertuples(index=False, name=None))


@pytest.fixture
def searched(monkeypatch):
    """The names of the shards that are searched, in order; a shard whose name is set as `fails` kills the run."""

    class Searched(list):
        fails = None

    names, read_batches = Searched(), shard_search.read_batches

    def note(shard, *rest):
        names.append(shard.path.name)
        if shard.path.name == names.fails:
            raise KeyboardInterrupt
        return read_batches(shard, *rest)

    monkeypatch.setattr(shard_search, "read_batches", note)
    return names


# What the study says afterwards


def test_counts_are_those_worked_out_by_hand(study, corpus):
    add(study, corpus / "*.tar")
    assert study_faults(study) == []
    sql = "SELECT method, list(count ORDER BY label) FROM frequency WHERE label <> '!!!' GROUP BY method ORDER BY method"
    assert [(method, list(counts)) for method, counts in count(study, sql)] == [  # Rose, fern, sky
        ("colours@0.25", [3, 2, 0]),
        ("colours@0.50", [3, 0, 0]),
        ("lemmatized", [4, 2, 1]),
        ("lemmatized+colours@0.25", [2, 1, 0]),
        ("lemmatized+colours@0.50", [2, 0, 0]),
        ("lowercased", [3, 2, 1]),
        ("phrase", [4, 2, 1]),
    ]
    assert count(study, "SELECT corpus, title, pairs, indexed, source FROM corpora") == [
        ("mine", "Mine", 6, 6, "3 files such as 0.tar")
    ]


def test_books_balance_and_tell_why(study, corpus):
    assert add(study, corpus / "*.tar").counts == {
        "samples": {"read": 6, "written": 6, "dropped": {}},
        "images": {"read": 6, "written": 5, "dropped": {"image cannot be decoded": 1}},
        "concepts": {"read": 4, "written": 3, "dropped": {"concept without a word": 1}},
    }


def test_pages_read_the_search_samples_and_images(study, corpus):
    add(study, corpus / "*.tar")
    held = Study(study)
    search = describe_search(held, "mine", "samples", "hits", "misaligned")
    assert search.image == ("colours@0.25", "colours@0.50")
    assert search.chosen == ChosenMethods("lemmatized", "colours@0.25", "lemmatized+colours@0.25")
    hits = find_hits(held, "rose", "mine", "joint", text_method="lemmatized", image_method="colours@0.25")
    assert hits["sample_id"].tolist() == [0, 20_000_000]
    assert hits["score"].tolist() == [0.5, 0.5]
    row = hits.iloc[1]
    assert read_image_bytes(study, row["image"], row["offset"], row["length"]) == RED
    counted = count_hits(held, "rose", "mine").set_index("method")["hits"]
    assert counted["lemmatized+colours@0.50"] == 2


def test_corpus_of_several_files_is_a_study_as_with_one(study, corpus, monkeypatch):
    add(study, corpus / "*.tar")
    sql = "SELECT * EXCLUDE corpus FROM {} ORDER BY ALL"
    whole = {name: count(study, sql.format(name)) for name in SEARCHED}
    monkeypatch.setattr(merge, "FILE_ROWS", 2)
    monkeypatch.setattr(merge, "RANGE_HITS", 2)
    add(study, corpus / "*.tar", corpus="others")
    assert study_faults(study) == []
    assert len(corpus_files(study, "samples", "others")) == 3
    several = {name: count(study, sql.format(name).replace(" ORDER", " WHERE corpus = 'others' ORDER")) for name in SEARCHED}
    assert {name: list(map(str, rows)) for name, rows in several.items()} == {
        name: list(map(str, rows)) for name, rows in whole.items()
    }


def test_degrees_agree_with_the_misaligned_samples(study, corpus):
    add(study, corpus / "*.tar")
    held = Study(study)
    for threshold, conflicting in ((0.25, 1), (0.5, 1)):  # the fern of a red image
        kinds = count_misaligned(held, "mine", threshold).set_index("kind")["samples"]
        degrees = held.query("SELECT misaligned FROM alignment WHERE method = $m", m=f"lemmatized+colours@{threshold:.2f}")
        assert kinds["conflicting"] == degrees["misaligned"][0] == conflicting
    assert list_degrees(held)["degree"].tolist() == [1 / 6]


def test_text_alone_makes_no_image_tables_and_pages_cope(study, corpus):
    add(study, corpus / "*.tar", search=None)
    held = Study(study)
    assert study_faults(study) == []
    assert not held.has("misaligned") and not held.has("alignment")
    search = describe_search(held, "mine", "samples", "hits")
    assert (search.image, search.chosen.image, search.chosen.joint) == ((), None, None)
    text, image = search.chosen.text, search.chosen.image
    hits = find_hits(held, "rose", "mine", "text", text_method=text, image_method=image)
    assert hits["sample_id"].tolist() == [0, 1, 10_000_001, 20_000_000]
    assert count_hits(held, "rose", "mine")["hits"].tolist() == [4, 3, 4]


def test_given_hits_are_annotated(study, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "photos" / name).write_bytes(BLACK)
    (tmp_path / "a.csv").write_text("image,caption\n1.png,a rose\n1.png,red\n2.png,a fern\n")
    (tmp_path / "hits.csv").write_text("image,label\n1.png,Rose\n2.png,rose\n2.png,dalu\n9.png,rose\n")
    hits = tmp_path / "hits.csv"
    manifest = index_study(study, Request("mine", [str(tmp_path / "a.csv")], images=tmp_path / "photos", image_hits=hits))
    assert study_faults(study) == []
    assert manifest["search"]["mine"]["image"] == ["annotated"]
    sql = "SELECT method, count FROM frequency WHERE label = 'Rose' AND modality <> 'text' ORDER BY method"
    assert count(study, sql) == [("annotated", 3), ("lemmatized+annotated", 1)]
    assert manifest["counts"]["index"]["mine"]["image hits"] == {
        "read": 4,
        "written": 2,
        "dropped": {"image that the corpus lacks": 1, "label that is no concept": 1},
    }
    assert count_misaligned(Study(study), "mine", 1.0)["samples"].tolist() == [1, 0, 1]


def test_given_scores_count_from_each_threshold_on(study, tmp_path):
    (tmp_path / "1.png").write_bytes(BLACK)
    (tmp_path / "2.png").write_bytes(BLACK)
    (tmp_path / "a.csv").write_text("image,caption\n1.png,a rose\n2.png,a rose\n")
    (tmp_path / "hits.csv").write_text("image,label,score\n1.png,rose,0.7\n2.png,rose,0.55\n")
    shards, hits = [str(tmp_path / "a.csv")], tmp_path / "hits.csv"
    with pytest.raises(TailscopeError, match=r"2 of 2 scores in .*hits\.csv are not 1. Say .* --thresholds"):
        index_study(study, Request("mine", shards, image_hits=hits))
    index_study(study, Request("mine", shards, image_hits=hits, thresholds=[0.7, 0.5]))
    sql = "SELECT method, count FROM frequency WHERE label = 'Rose' AND modality = 'image' ORDER BY method"
    assert count(study, sql) == [("given@0.50", 2), ("given@0.70", 1)]


def test_truncated_shard_gives_its_whole_samples_and_is_booked(study, corpus):
    path = corpus / "0.tar"
    path.write_bytes(path.read_bytes()[:4000])  # in the third sample
    indexed = add(study, corpus / "*.tar")
    assert study_faults(study) == []
    assert indexed.counts["samples"] == {"read": 6, "written": 5, "dropped": {"truncated shard, at least": 1}}


def test_second_corpus_leaves_the_first_one(study, corpus):
    add(study, corpus / "*.tar")
    before = checksums(study)
    add(study, corpus / "0.tar", corpus="less", search=None)
    assert study_faults(study) == []
    assert count(study, "SELECT corpus, indexed FROM corpora") == [("mine", 6), ("less", 3)]
    after = checksums(study)
    assert {name for name in before if after[name] != before[name]} == {
        f"{name}.parquet" for name in ("corpora", "frequency", "distinct_hits", "drops", "contents")
    }
    assert sorted(Study(study).manifest.raw["search"]) == ["less", "mine"]


def test_corpus_beside_counts_of_another_step_leaves_them(tmp_path, corpus):
    study = write_study(tmp_path / "counts", count_rows("cc3m", "lemmatized", {"rose": 7}), manifest={"arguments": {}}).folder
    add(study, corpus / "*.tar")
    assert study_faults(study) == []
    sql = "SELECT corpus, count FROM frequency WHERE method = 'lemmatized' ORDER BY corpus"
    assert count(study, sql) == [("cc3m", 7), ("mine", 4)]


# Resume


def test_run_that_was_killed_goes_on_where_it_was(study, corpus, searched):
    add(study, corpus / "*.tar", corpus="mine", work=study.with_name("elsewhere"))
    whole = checksums(study)
    with pytest.raises(KeyboardInterrupt):
        searched[:], searched.fails = [], "1.tar"
        add(study, corpus / "*.tar")
    assert searched == ["0.tar", "1.tar"]
    assert checksums(study) == whole
    searched[:], searched.fails = [], None
    add(study, corpus / "*.tar")
    assert searched == ["1.tar", "2.tar"]
    assert checksums(study) == whole


@pytest.mark.parametrize("kind", ["tars", "table"])
def test_run_that_is_killed_anywhere_ends_with_the_same_bytes_when_it_is_run_again(study, corpus, tmp_path, kind):
    (tmp_path / "a.csv").write_text("image,caption\n1.png,a rose\n1.png,a fern\n")
    (tmp_path / "1.png").write_bytes(RED)
    (tmp_path / "hits.csv").write_text("image,label\n1.png,rose\n")
    asked = {
        "tars": Request("mine", [str(corpus / "*.tar")], force=True),
        "table": Request("mine", [str(tmp_path / "a.csv")], image_hits=tmp_path / "hits.csv", force=True),
    }[kind]
    index_study(study, asked)
    whole, told, point = checksums(study), [], 0

    def kill(stage, done):
        told.append(stage)
        if len(told) == point:
            raise KeyboardInterrupt

    while len(told) >= point:
        point += 1
        told.clear()
        try:
            index_study(study, asked, say=kill)
        except KeyboardInterrupt:
            assert checksums(study) == whole
            index_study(study, asked)
        assert checksums(study) == whole
    assert point > 4
    assert study_faults(study) == []


def test_half_written_part_is_not_taken_for_a_whole_one(study, corpus, searched, monkeypatch):
    def full(writer, table, **options):
        raise OSError(28, "No space left on device", str(writer.where))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left.*samples.parquet"):
        patch.setattr(shard_search.pq.ParquetWriter, "write_table", full)
        with extend_study(study) as (part, _):
            index_corpus(part, CorpusPlan("mine", "Mine", find_shards([str(corpus / "0.tar")]), study.with_name("work"), study))
    searched[:] = []
    add(study, corpus / "0.tar", search=None)
    assert searched == ["0.tar"]
    assert study_faults(study) == []


def search_by(*thresholds: float, identity: str = "colours") -> ImageSearch:
    return ImageSearch(ColourRecipe(identity), None, thresholds, thresholds[0])


@pytest.mark.parametrize(
    ("other", "read"),
    [
        (search_by(0.25, 0.5, identity="other weights"), ["0.tar", "1.tar", "2.tar"]),
        (search_by(0.3, 0.5), []),
        (search_by(0.1, 0.5), []),
        (None, ["0.tar", "1.tar", "2.tar"]),  # which are named by their samples alone, where no image counts
    ],
    ids=["other tagger", "higher threshold", "lower threshold", "no tagger"],
)
def test_images_are_looked_at_again_for_another_tagger_alone(study, corpus, searched, tmp_path, other, read):
    add(study, corpus / "*.tar")
    searched[:] = []
    add(study, corpus / "*.tar", search=other)
    assert searched == read
    grown = checksums(study)
    add(study, corpus / "*.tar", search=other, work=tmp_path / "afresh")
    assert checksums(study) == grown


def test_new_concepts_are_found_in_what_is_kept_and_the_study_is_that_of_a_new_search(study, corpus, searched, tmp_path):
    add(study, corpus / "*.tar")
    searched[:] = []
    for number, names in enumerate(("dalu\n", "nothing\nred\n", "rose sky\n")):
        (tmp_path / "more.txt").write_text(names)
        add_tasks(study, {f"more {number}": tmp_path / "more.txt"})
        add(study, corpus / "*.tar")
    assert searched == []
    assert count(study, "SELECT count FROM frequency WHERE concept = 'rose sky' AND method = 'lemmatized'") == [(1,)]
    grown = checksums(study)
    add(study, corpus / "*.tar", work=tmp_path / "afresh")
    assert checksums(study) == grown


def test_changed_shard_and_other_code_are_searched_again(study, corpus, searched, tmp_path, monkeypatch):
    add(study, corpus / "*.tar")
    searched[:] = []
    status = (corpus / "1.tar").stat()
    write_shard(corpus / "1.tar", [("nothing", GREEN), ("Rose", b"no image")])
    os.utime(corpus / "1.tar", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (corpus / "1.tar").stat().st_size == status.st_size
    add(study, corpus / "*.tar")
    assert searched == ["1.tar"]
    searched[:] = []
    monkeypatch.setattr(shard_search, "code_sha256", lambda module: "other code")
    add(study, corpus / "*.tar")
    assert searched == ["0.tar", "1.tar", "2.tar"]


def test_corpora_that_share_shards_share_their_parts(study, corpus, searched, tmp_path):
    add(study, corpus / "*.tar")
    searched[:] = []
    add(study, corpus / "[12].tar", corpus="less")
    assert searched == []
    assert count(study, "SELECT sample_id FROM samples WHERE corpus = 'less'") == [(0,), (1,), (10_000_000,)]
    shared = checksums(study)
    add(study, corpus / "[12].tar", corpus="less", work=tmp_path / "afresh")
    assert searched == ["1.tar", "2.tar"]
    assert checksums(study) == shared


def test_full_disk_at_the_manifest_costs_no_search(study, corpus, searched, monkeypatch):
    asked, before = Request("mine", [str(corpus / "*.tar")]), checksums(study)

    def full(folder, manifest):
        raise OSError(28, "No space left on device", str(folder / "manifest.json"))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("precompute.study_writer.write_manifest", full)
        index_study(study, asked)
    assert checksums(study) == before
    assert searched == ["0.tar", "1.tar", "2.tar"]
    searched[:] = []
    index_study(study, asked)
    assert searched == []
    assert study_faults(study) == []
    assert sorted(path.name for path in study.parent.iterdir()) == [".mine.index", "mine"]


def test_study_is_free_for_other_steps_while_shards_are_searched(study, corpus):
    stages = []

    def write_meanwhile(stage, done):
        stages.append(stage)
        if stage == "merging shards" and stages.count(stage) == 1:
            with extend_study(study) as (_, manifest):
                manifest["title"] = "Written meanwhile"

    manifest = index_study(study, Request("mine", [str(corpus / "*.tar")]), say=write_meanwhile)
    assert (manifest["title"], Study(study).title) == ("Written meanwhile", "Written meanwhile")
    assert study_faults(study) == []


def test_concepts_that_change_meanwhile_are_noticed_and_the_study_stays(study, corpus, searched, tmp_path):
    (tmp_path / "more.txt").write_text("dalu\n")
    asked = Request("mine", [str(corpus / "*.tar")])
    with pytest.raises(TailscopeError, match="concepts changed while 'mine' was searched for them. Run again"):
        index_study(study, asked, say=lambda stage, done: add_tasks(study, {"more": tmp_path / "more.txt"}))
    assert not Study(study).has("corpora")
    index_study(study, asked)
    assert count(study, "SELECT count FROM frequency WHERE concept = 'dalu' AND method = 'phrase'") == [(0,)]


def test_same_corpus_at_the_same_time_is_refused(study, corpus):
    asked = Request("mine", [str(corpus / "*.tar")])

    def index_again(stage, done):
        with pytest.raises(TailscopeError, match="Another step writes .*mine"):
            index_study(study, asked)

    index_study(study, asked, say=index_again)
    assert study_faults(study) == []


def test_copied_corpus_is_not_searched_again(study, corpus, searched, tmp_path):
    add(study, corpus / "*.tar")
    first = pq.read_table(study / "hits" / "mine.parquet")
    shutil.copytree(corpus, tmp_path / "copy")
    searched[:] = []
    add(study, tmp_path / "copy" / "*.tar")
    assert searched == []
    assert pq.read_table(study / "hits" / "mine.parquet").equals(first)
    row = Study(study).query("SELECT * FROM samples WHERE sample_id = 20000000").iloc[0]
    assert row["image"] == "../../copy/2.tar"
    assert read_image_bytes(study, row["image"], row["offset"], row["length"]) == RED


def test_table_in_pieces_makes_the_same_bytes_as_whole(study, tmp_path, searched, monkeypatch):
    for name, content in (("1.png", RED), ("2.png", GREEN)):
        (tmp_path / name).write_bytes(content)
    rows = [f"{number % 2 + 1}.png,{caption}" for number, caption in enumerate(["a rose", "fern", "", "sky", "red rose"] * 5)]
    (tmp_path / "a.csv").write_text("\n".join(["image,caption", *rows]) + "\n")
    add(study, tmp_path / "a.csv")
    whole, books = checksums(study), Study(study).manifest.raw["counts"]["index"]
    monkeypatch.setattr("precompute.corpus.tables.WHOLE_BYTES", 0)
    monkeypatch.setattr("precompute.corpus.shard.PIECE_SAMPLES", 7)
    searched[:] = []
    add(study, tmp_path / "a.csv", work=tmp_path / "afresh")
    assert searched == ["a.csv"] * 4
    assert checksums(study) == whole
    pieces = Study(study).manifest.raw["counts"]["index"]
    assert pieces["mine"]["samples"] == books["mine"]["samples"]
    assert count(study, "SELECT source FROM corpora") == [("1 file such as a.csv",)]


def test_given_hits_are_joined_in_any_process(study, tmp_path, monkeypatch):
    for name in ("1.png", "2.png", "3.png"):
        (tmp_path / name).write_bytes(BLACK)
        (tmp_path / f"{name}.csv").write_text(f"image,caption\n{name},a rose\n")
    (tmp_path / "hits.csv").write_text("image,label\n1.png,Rose\n3.png,fern\n9.png,rose\n")
    asked = Request("mine", [str(tmp_path / "*.png.csv")], image_hits=tmp_path / "hits.csv")
    books = index_study(study, asked)["counts"]["index"]["mine"]
    one = checksums(study)
    monkeypatch.setattr("precompute.search.merge.PARTS_AT_ONCE", 1)
    again = index_study(study, dataclasses.replace(asked, force=True), processes=2)["counts"]["index"]["mine"]
    assert checksums(study) == one
    assert again == books
    assert books["image hits"] == {"read": 3, "written": 2, "dropped": {"image that the corpus lacks": 1}}


# Nothing is lost silently


def test_run_that_keeps_nothing_fails_and_says_why(study, tmp_path):
    (tmp_path / "a.csv").write_text("image,caption\n1.jpg,a rose\n2.jpg,a fern\n3.jpg,\n")
    (tmp_path / "empty").mkdir()
    message = (
        r"Nothing of 'mine' was kept; the study stays as it was. samples: read 3 = written 0 \+ dropped 3 "
        r"\(no caption: 1; no image: 2\). 2 of 3 samples: no image. Name the folder of the photos: --images FOLDER. "
        r"They were read as table separated by commas, with a header \(caption from caption, image from image\). "
        r"none of the first photos is in .*empty, such as 1.jpg"
    )
    before = checksums(study)
    with pytest.raises(TailscopeError, match=message):
        index_study(study, Request("mine", [str(tmp_path / "a.csv")], images=tmp_path / "empty"))
    assert checksums(study) == before
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("0.json"), io.BytesIO())
    with pytest.raises(TailscopeError, match=r"members: read 1 = written 0 \+ dropped 1 \(plays no part: .json: 1\)"):
        index_study(study, Request("mine", [str(tmp_path / "b.tar")]))
    write_shard(tmp_path / "c.tar", [])
    with pytest.raises(TailscopeError, match="There was nothing in it"):
        index_study(study, Request("mine", [str(tmp_path / "c.tar")]))
    assert checksums(study) == before


def test_run_that_keeps_too_little_fails_leaves_the_study_and_what_it_searched(study, tmp_path, searched):
    (tmp_path / "a.csv").write_text("caption\na rose\n" + '""\n' * 3)
    before, asked = checksums(study), Request("mine", [str(tmp_path / "a.csv")])
    message = (
        r"Only 1 of 4 samples of 'mine' were kept, less than the share of 50% that --least-kept .* 3 of 4 samples: no caption"
    )
    with pytest.raises(TailscopeError, match=message):
        index_study(study, asked)
    assert checksums(study) == before
    index_study(study, dataclasses.replace(asked, least_kept=0.25))
    assert searched == ["a.csv"]
    with pytest.raises(TailscopeError, match="1.5 is no share of the samples: --least-kept takes a number from 0 to 1"):
        index_study(study, dataclasses.replace(asked, least_kept=1.5))


def test_what_a_shard_held_is_what_it_gave_and_what_it_dropped(study, corpus):
    path = corpus / "0.tar"
    path.write_bytes(path.read_bytes()[:4000])  # in the third sample
    manifest = index_study(study, Request("mine", [str(corpus / "*.tar")]))
    rows = list_drops(Study(study), "mine")
    assert rows[["unit", "shard", "reason", "count", "read"]].values.tolist() == [
        ["concepts", "", "concept without a word", 1, 4],
        ["samples", "0.tar", "truncated shard, at least", 1, 3],
    ]
    kept = dict(count(study, "SELECT sample_id // 10000000, count(*) FROM samples GROUP BY ALL"))
    assert kept == {0: 2, 1: 2, 2: 1}
    assert manifest["counts"]["index"]["mine"]["samples"]["read"] == sum(kept.values()) + rows["count"][1]
    assert study_faults(study) == []


def test_corpus_that_dropped_nothing_says_so(study, tmp_path):
    (tmp_path / "a.csv").write_text("caption\na rose\n")
    (tmp_path / "names.txt").write_text("rose\n")
    add_tasks(study.with_name("other"), {"plants": tmp_path / "names.txt"})
    index_study(study.with_name("other"), Request("mine", [str(tmp_path / "a.csv")]))
    assert list_drops(Study(study.with_name("other")), "mine").empty
    assert study_faults(study.with_name("other")) == []


def test_repeated_captions_and_images_count_once_beside_the_raw_counts(study, tmp_path):
    write_shard(tmp_path / "0.tar", [("a rose", RED), ("a rose", RED), ("A rose", RED), ("roses", GREEN)])
    write_shard(tmp_path / "1.tar", [("a rose", RED), ("a fern", picture(0, 97, 0))])
    add(study, tmp_path / "*.tar")
    assert study_faults(study) == []
    rows = list_distinct(Study(study), "rose").set_index("method")[["hits", "distinct"]]
    assert rows.loc["lemmatized"].tolist() == [5, 3]  # a rose, A rose, roses
    assert rows.loc["lowercased"].tolist() == [4, 2]
    assert rows.loc["colours@0.50"].tolist() == [4, 1]
    assert list_distinct(Study(study), "fern").set_index("method").loc["colours@0.25", ["hits", "distinct"]].tolist() == [2, 2]
    one = checksums(study)
    add(study, tmp_path / "*.tar", processes=2, work=tmp_path / "afresh")
    assert checksums(study) == one


def test_captions_alone_are_counted_found_and_sound(study, tmp_path):
    (tmp_path / "a.tsv").write_text("TEXT\tURL\na rose\thttps://a.example/1.jpg\nRoses\thttps://a.example/2.jpg\n")
    index_study(study, Request("mine", [str(tmp_path / "a.tsv")]))
    assert study_faults(study) == []
    hits = find_hits(Study(study), "rose", "mine", "text", text_method="lemmatized", image_method=None)
    assert hits["caption"].tolist() == ["a rose", "Roses"]
    assert count(study, "SELECT image FROM samples") == [("https://a.example/1.jpg",), ("https://a.example/2.jpg",)]
    add(study, tmp_path / "a.tsv")  # a tagger has nothing to look at
    assert count(study, "SELECT sum(count) FROM frequency WHERE modality = 'image'") == [(0,)]


def test_members_that_play_no_part_stand_in_the_books(study, tmp_path):
    members = [("0.png", RED), ("0.txt", b"rose"), ("0.json", b"{}")]
    manifest = index_study(study, Request("mine", [str(write_tar(tmp_path / "a.tar", members))]))
    assert manifest["counts"]["index"]["mine"]["members"] == {
        "read": 3,
        "written": 2,
        "dropped": {"plays no part: .json": 1},
    }


def test_two_processes_make_the_same_bytes_as_one(study, corpus, tmp_path):
    add(study, corpus / "*.tar")
    one = checksums(study)
    add(study, corpus / "*.tar", processes=2, work=tmp_path / "afresh")
    assert checksums(study) == one
    assert "OMP_NUM_THREADS" not in os.environ


def test_error_in_a_process_is_the_error_of_the_run(study, corpus, tmp_path):
    (corpus / "1.tar").write_bytes(b"<html>Not found</html>" * 99)
    with pytest.raises(SourceError, match=r"1\.tar is no tar archive"):
        add(study, corpus / "*.tar", processes=2)
    assert study_faults(study) == []
    assert sorted(path.name for path in study.parent.iterdir()) == ["mine", "work"]


# Arguments


def test_indexed_study_says_with_what(study, corpus):
    manifest = index_study(study, Request("mine", [str(corpus / "*.tar")], title="My corpus"))
    assert allowed_roots(study) == (study, corpus)  # its pages may show them
    arguments = manifest["arguments"]["index"]["mine"]
    assert (arguments["shards"], arguments["files"], arguments["tagger"]) == ([str(corpus / "*.tar")], 3, None)
    assert {"revision", "code", "python"} <= set(arguments["built_with"])
    assert Study(study).manifest.raw == manifest


def test_images_beside_the_study_may_be_shown_once_it_is_indexed(study, corpus):
    index_study(study, Request("mine", [str(corpus / "*.tar")]))
    row = Study(study).query("SELECT * FROM samples WHERE sample_id = 0").iloc[0]
    assert row["image"] == "../../corpus/0.tar"
    assert read_image_bytes(study, row["image"], row["offset"], row["length"]) == RED


def test_photos_behind_a_link_may_be_shown_too(study, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "1.png").write_bytes(RED)
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / "images").symlink_to(tmp_path / "disk")
    (tmp_path / "captions" / "a.csv").write_text("image,caption\n1.png,a rose\n")
    index_study(study, Request("mine", [str(tmp_path / "captions" / "a.csv")]))
    row = Study(study).query("SELECT * FROM samples").iloc[0]
    assert read_image_bytes(study, row["image"]) == RED


def test_second_run_of_a_command_writes_nothing_and_other_shards_take_the_place_of_these_by_force_alone(study, corpus):
    add(study, corpus / "*.tar")
    manifest = index_study(study, Request("less", [str(corpus / "0.tar")]))
    lines = []
    assert index_study(study, Request("less", [str(corpus / "0.tar")]), tell=lines.append) == manifest
    assert lines[-1] == "'less' is indexed just so; nothing to do."
    with pytest.raises(TailscopeError, match=r"1 of the 1 files of 'less' are not among --shards, such as .*0\.tar"):
        index_study(study, Request("less", [str(corpus / "1.tar")]))
    assert Study(study).manifest.raw == manifest
    index_study(study, Request("less", [str(corpus / "1.tar")], force=True))
    assert study_faults(study) == []
    assert count(study, "SELECT indexed FROM corpora ORDER BY corpus") == [(2,), (6,)]


def test_images_that_are_no_longer_searched_leave_no_tables(study, corpus):
    add(study, corpus / "*.tar")
    add(study, corpus / "*.tar", search=None)
    assert study_faults(study) == []
    assert not {"alignment", "misaligned"} & set(Study(study).manifest.raw["tables"])


def test_corpus_of_another_step_is_never_replaced(tmp_path, corpus):
    study = write_study(tmp_path / "counts", count_rows("cc3m", "lemmatized", {"rose": 7}), manifest={"arguments": {}}).folder
    with pytest.raises(TailscopeError, match="'cc3m' is a corpus of study 'counts' that another step made"):
        index_study(study, Request("cc3m", [str(corpus / "*.tar")], force=True))


def test_arguments_that_do_not_fit_are_refused_before_anything_is_read(study, corpus, tmp_path, searched):
    shards, hits = [str(corpus / "*.tar")], tmp_path / "hits.csv"
    hits.write_text("image,label\n1.png,rose\n")
    wrong = [
        ({"study": tmp_path / "absent"}, StudyNotFound, "No study in .*absent. Begin with the concepts .* precompute concepts"),
        ({"corpus": "a/b"}, InvalidTable, "'a/b' cannot name a file"),
        ({"patterns": ["absent*.tar"]}, SourceError, "matches no file"),
        ({"tagger": "x:y", "image_hits": hits}, TailscopeError, "by --tagger or by --image-hits, not by both"),
        ({"images": tmp_path / "absent"}, TailscopeError, "No folder of images at .*absent"),
        ({"thresholds": [0.2]}, TailscopeError, "Thresholds are for images: name a --tagger or --image-hits too"),
        ({"tagger": "x:y", "thresholds": [0.205]}, TailscopeError, "0.205 is no threshold. Thresholds are multiples of 0.01"),
        ({"tagger": "x:y", "thresholds": [0.2], "chosen": 0.3}, TailscopeError, "chosen threshold 0.3 is none of 0.20"),
        ({"image_hits": tmp_path / "absent.csv"}, SourceError, "No file of image hits at"),
        ({"image_hits": hits, "chosen": 0.5}, TailscopeError, "A threshold is chosen. Say from which scores on"),
    ]
    for arguments, error, message in wrong:
        arguments = {"study": study, "corpus": "mine", "patterns": shards} | arguments
        with pytest.raises(error, match=message):
            index_study(arguments.pop("study"), Request(**arguments))
    assert searched == []
    assert sorted(path.name for path in study.parent.iterdir()) == ["mine"]


def test_study_without_concepts_says_how_to_begin(tmp_path, corpus):
    with extend_study(tmp_path / "mine", {"title": "", "description": "", "source": "", "built_with": {}}):
        pass
    with pytest.raises(MissingTable, match="no table 'concepts'. Build it: python -m precompute concepts --study"):
        index_study(tmp_path / "mine", Request("mine", [str(corpus / "*.tar")]))


def test_thresholds_rise_and_their_middle_is_chosen():
    assert check_thresholds([0.3, 0.2]) == ((0.2, 0.3), 0.2)
    assert check_thresholds(THRESHOLDS)[1] == 0.25
    assert check_thresholds([0.2, 0.3], 0.3)[1] == 0.3
    for wrong in ([], [0.2, 0.2], [-0.1], [1.1], [float("nan")]):
        with pytest.raises(TailscopeError, match="[Tt]hreshold"):
            check_thresholds(wrong)


def test_photo_of_five_captions_is_one_image_in_the_books(study, tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (9, 7), (200, 0, 0)).save(stream, "JPEG")
    (tmp_path / "1.jpg").write_bytes(stream.getvalue())
    (tmp_path / "a.csv").write_text("image,caption\n" + "1.jpg,a rose\n" * 5)
    indexed = add(study, tmp_path / "a.csv")
    assert (indexed.counts["samples"]["written"], indexed.counts["images"]["written"]) == (5, 1)
    assert indexed.frequency.set_index(["method", "label"])["count"]["colours@0.50", "Rose"] == 5
    assert pq.read_table(study / "samples" / "mine.parquet")["width"].to_pylist() == [9] * 5


def test_images_without_captions_are_refused_where_nothing_looks_at_images(study, tmp_path):
    (tmp_path / "photos" / "rose").mkdir(parents=True)
    (tmp_path / "photos" / "rose" / "1.png").write_bytes(BLACK)
    asked = Request("mine", [str(tmp_path / "photos")])
    with pytest.raises(
        TailscopeError, match="'mine' has images without captions, and nothing looks at images. Name a --tagger"
    ):
        index_study(study, asked)
    (tmp_path / "hits.csv").write_text("image,label\nrose/1.png,Rose\n")
    index_study(study, dataclasses.replace(asked, image_hits=tmp_path / "hits.csv"))
    assert count(study, "SELECT count FROM frequency WHERE concept = 'rose' AND modality = 'image' AND corpus = 'mine'") == [
        (1,)
    ]
