"""Shards become tables: joint hits, misaligned samples at each threshold, counts, and files in the order readers count on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from backend.schema import SEARCHED, TABLES, corpus_files
from precompute.corpus.sample import SCHEMA
from precompute.corpus.shard import Shard
from precompute.processes import Processes
from precompute.search import match, merge
from precompute.search.distinct import hash_captions
from precompute.search.images import HITS_SCHEMA, PICTURES_SCHEMA
from precompute.search.match import Methods, ShardPart, count_frequency, describe_alignment, match_part
from precompute.search.parts import write_hits
from precompute.search.placed import Merge, Placed
from tests.text_hits import make_text_hits

CONCEPTS = ["fern", "rose", "sky"]
LAYERS = ((0, 1, 2),)
METHODS = Methods(("lemmatized", "phrase"), ("openclip@0.20", "openclip@0.30"), (0.2, 0.3))
TEXT = {0: "rose", 1: "rose", 2: "rose", 3: "fern rose", 4: "rose"}
IMAGE = {
    0: {"rose": 0.5},  # agrees at both thresholds
    1: {"sky": 0.4, "rose": 0.25, "fern": 0.2},  # agrees at 0.2; at 0.3 the image says sky
    2: {"sky": 0.25},  # conflicts at 0.2; at 0.3 the image shows nothing
    3: {"rose": 0.3},  # agrees on one of two, just so
    5: {"sky": 0.9},  # says nothing
}


def make_part(text: dict[int, str], image: dict[int, dict[str, float]], first: int = 0, samples: int = 7) -> ShardPart:
    """A shard whose captions have these concepts by `lemmatized` (the first alone by `phrase`), its images these scores."""
    by_lemma = [("lemmatized", first + row, CONCEPTS.index(name)) for row, names in text.items() for name in names.split()]
    by_phrase = [("phrase", first + row, CONCEPTS.index(names.split()[0])) for row, names in text.items()]
    scored = [(first + row, CONCEPTS.index(name), score) for row, shown in image.items() for name, score in shown.items()]
    rows = [{"sample_id": first + row, "caption": f"caption {row}", "image": "a.tar", "offset": row} for row in range(samples)]
    return ShardPart(
        pa.Table.from_pylist(rows, schema=SCHEMA),
        make_text_hits(by_lemma + by_phrase),
        pa.Table.from_pylist([dict(zip(HITS_SCHEMA.names, row, strict=True)) for row in scored], schema=HITS_SCHEMA),
    )


def place_parts(parts: list[ShardPart], folder: Path) -> list[Placed]:
    """The parts as the search leaves them: in files, with ids that count from the shard's beginning.

    Each sample's image is a file of its own, but the first two of a shard's, which are the same.
    """
    placed = []
    for number, part in enumerate(parts):
        first = part.samples["sample_id"][0].as_py()
        tables = [
            table.set_column(
                table.schema.get_field_index("sample_id"), "sample_id", pc.subtract(table["sample_id"], pa.scalar(first))
            )
            for table in (part.samples, part.text, part.image)
        ]
        paths = [folder / f"{name}-{number}.parquet" for name in ("samples", "text", "image", "pictures")]
        folder.mkdir(exist_ok=True)
        samples, text, image = tables
        pq.write_table(samples.append_column("caption_hash", pa.array(hash_captions(samples["caption"].to_pylist()))), paths[0])
        write_hits(paths[1], text)
        write_hits(paths[2], image)
        contents = [[max(row, 1) for row in range(samples.num_rows)]]
        pq.write_table(pa.table([samples["sample_id"], *contents, *contents], schema=PICTURES_SCHEMA), paths[3])
        shard = Shard(0, Path("/corpus/a.tar"), "tar", first)
        placed.append(Placed(shard, paths[0], (paths[1],), (paths[2],), paths[3]))
    return placed


def merge_parts(
    parts: list[ShardPart], folder: Path, corpus: str, methods: Methods, processes: int = 1
) -> tuple[dict, match.Counts]:
    """What is merged into a study's folder, whose files stand there afterwards."""
    places = place_parts(parts, folder.with_name(f"{folder.name}-{corpus}-parts"))
    plan = Merge(folder, corpus, tuple(CONCEPTS), methods, folder, folder / "work", LAYERS)
    with Processes(processes) as started:
        return merge.merge_parts(plan, places, started)[:2]


def read_rows(folder, name: str, corpus: str = "mine") -> list[tuple]:
    table = pq.read_table(corpus_files(folder, name, corpus))
    assert table.schema.equals(TABLES[name].schema)
    return [tuple(row.values())[1:] for row in table.to_pylist()]


def near(*scores: float) -> list:
    return [pytest.approx(score) for score in scores]


def test_counts_of_each_method_are_those_worked_out_by_hand():
    _, counts = match_part(make_part(TEXT, IMAGE), CONCEPTS, METHODS)
    assert counts.samples == 7
    assert {method: found.tolist() for method, found in counts.hits.items()} == {  # fern, rose, sky
        "lemmatized": [1, 5, 0],
        "phrase": [1, 4, 0],
        "openclip@0.20": [1, 3, 3],
        "openclip@0.30": [0, 2, 2],
        "lemmatized+openclip@0.20": [0, 3, 0],
        "lemmatized+openclip@0.30": [0, 2, 0],
    }
    assert counts.misaligned == {"lemmatized+openclip@0.20": 1, "lemmatized+openclip@0.30": 1}  # sample 2, sample 1
    assert counts.extracted == {"lemmatized+openclip@0.20": 6, "lemmatized+openclip@0.30": 6}  # all but sample 6


def test_every_sample_that_any_threshold_finds_in_disagreement_is_kept():
    rows, _ = match_part(make_part(TEXT, IMAGE), CONCEPTS, METHODS)
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        (1, ["rose"], ["sky", "rose", "fern"], near(0.4, 0.25, 0.2), pytest.approx(0.4), pytest.approx(0.25)),
        (2, ["rose"], ["sky"], near(0.25), pytest.approx(0.25), None),
        (4, ["rose"], [], [], None, None),
        (5, [], ["sky"], near(0.9), pytest.approx(0.9), None),
    ]


def test_score_equal_to_the_threshold_as_float32_agrees():
    below = float(np.nextafter(np.float32(0.3), np.float32(0)))
    for score, misaligned in ((0.3, 0), (below, 1)):
        part = make_part({0: "rose"}, {0: {"sky": 0.3, "rose": score}}, samples=1)
        rows, counts = match_part(part, CONCEPTS, METHODS)
        assert counts.misaligned["lemmatized+openclip@0.30"] == misaligned == rows.num_rows


def test_without_image_search_nothing_is_misaligned():
    rows, counts = match_part(make_part(TEXT, {}), CONCEPTS, Methods(METHODS.text))
    assert (rows.num_rows, counts.misaligned, sorted(counts.hits)) == (0, {}, ["lemmatized", "phrase"])


def test_merged_files_have_the_order_of_their_tables(tmp_path):
    parts = [make_part({0: "rose", 1: "sky"}, {0: {"rose": 0.25}}, 0, 2), make_part({0: "rose"}, {0: {"rose": 0.5}}, 10, 1)]
    entries, counts = merge_parts(parts, tmp_path, "mine", METHODS)
    assert read_rows(tmp_path, "hits") == [
        ("rose", "image", "openclip@0.20", 10, 0.5),
        ("rose", "image", "openclip@0.20", 0, 0.25),
        ("rose", "text", "lemmatized", 0, None),
        ("rose", "text", "lemmatized", 10, None),
        ("rose", "text", "phrase", 0, None),
        ("rose", "text", "phrase", 10, None),
        ("sky", "text", "lemmatized", 1, None),
        ("sky", "text", "phrase", 1, None),
    ]
    assert [row[0] for row in read_rows(tmp_path, "samples")] == [0, 1, 10]
    assert [row[0] for row in read_rows(tmp_path, "misaligned")] == [0, 1]
    assert {name: entry["rows"] for name, entry in entries.items()} == {
        "samples": 3,
        "hits": 8,
        "cooccurrences": 0,
        "misaligned": 2,
        "disagreements": 4,
    }
    assert read_rows(tmp_path, "disagreements") == [  # concept, sample, said, named, score, best, agreed
        ("", 0, True, True, 0.25, 0.25, 0.25),
        ("", 1, True, True, None, None, None),
        ("rose", 0, True, True, 0.25, 0.25, 0.25),
        ("sky", 1, True, True, None, None, None),
    ]
    assert (counts.samples, counts.hits["lemmatized"].tolist()) == (3, [0, 2, 1])
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["mine.parquet"] * 5


def test_samples_that_disagree_lie_by_each_concept_that_they_are_about(tmp_path):
    merge_parts([make_part(TEXT, IMAGE)], tmp_path, "mine", METHODS)
    rows = [
        (name, sample, said, named, score and round(score, 2))
        for name, sample, said, named, score, *_ in read_rows(tmp_path, "disagreements")
    ]
    assert rows == [
        ("", 5, True, False, 0.9),
        ("", 1, True, True, 0.4),
        ("", 2, True, True, 0.25),
        ("", 4, True, True, None),
        ("fern", 1, False, True, 0.2),
        ("rose", 1, True, True, 0.25),
        ("rose", 2, True, True, None),
        ("rose", 4, True, True, None),
        ("sky", 5, False, False, 0.9),
        ("sky", 1, False, True, 0.4),
        ("sky", 2, False, True, 0.25),
    ]


def test_row_groups_have_the_size_of_the_table_whatever_the_shards_have(tmp_path):
    parts = [make_part({}, {}, first, 9_000) for first in range(0, 36_000, 9_000)]
    merge_parts(parts, tmp_path, "mine", Methods(METHODS.text))
    metadata = pq.read_metadata(tmp_path / "samples" / "mine.parquet")
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [32_768, 3_232]


def test_corpus_without_image_search_has_no_file_of_misaligned_samples(tmp_path):
    entries, _ = merge_parts([make_part(TEXT, {})], tmp_path, "mine", Methods(METHODS.text))
    assert sorted(entries) == ["cooccurrences", "hits", "samples"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cooccurrences", "hits", "samples"]


def test_corpus_without_a_sample_has_empty_files(tmp_path):
    entries, counts = merge_parts([], tmp_path, "mine", METHODS)
    assert [entry["rows"] for entry in entries.values()] == [0, 0, 0, 0, 0]
    assert describe_alignment("mine", METHODS, counts)["degree"].tolist() == [0, 0]


def test_failure_leaves_no_file(tmp_path):
    places = place_parts([make_part(TEXT, IMAGE), make_part(TEXT, IMAGE, 7)], tmp_path.with_name(f"{tmp_path.name}-parts"))
    places[1].text[0].unlink()
    plan = Merge(tmp_path, "mine", tuple(CONCEPTS), METHODS, tmp_path, tmp_path / "work", LAYERS)
    with Processes(1) as started, pytest.raises(FileNotFoundError):
        merge.merge_parts(plan, places, started)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_shards_sum_to_the_whole(tmp_path):
    rng = np.random.default_rng(7)
    scores = {row: {name: float(score) for name, score in zip(CONCEPTS, rng.random(3), strict=True)} for row in range(60)}
    shown = {row: {name: score for name, score in named.items() if score >= 0.2} for row, named in scores.items()}
    named = {row: " ".join(name for name in CONCEPTS if rng.random() < 0.3) for row in range(60)}
    named = {row: names for row, names in named.items() if names}

    def part(start: int, stop: int) -> ShardPart:
        rows = range(start, stop)
        text, image = ({row - start: of[row] for row in rows if row in of} for of in (named, shown))
        return make_part(text, image, start, stop - start)

    answers = []
    for name, bounds in (("whole", [0, 60]), ("shards", [0, 7, 31, 60])):
        parts = [part(*pair) for pair in zip(bounds, bounds[1:], strict=False)]
        _, counts = merge_parts(parts, tmp_path, name, METHODS)
        hits = {method: found.tolist() for method, found in counts.hits.items()}
        misaligned = read_rows(tmp_path, "misaligned", name)
        answers.append((hits, counts.misaligned, counts.extracted, misaligned, read_rows(tmp_path, "hits", name)))
    assert answers[0] == answers[1]


def test_frequency_has_a_count_for_every_label_and_method():
    _, counts = match_part(make_part(TEXT, IMAGE), CONCEPTS, METHODS)
    labels = [("zoo", "Rose", "rose"), ("art", "rose_", "rose"), ("art", "Sky", "sky")]
    tasks = pd.DataFrame(labels, columns=["task", "label", "concept"])
    rows = count_frequency("mine", tasks, CONCEPTS, METHODS, counts)
    assert len(rows) == 3 * 6
    lemmatized = rows.loc[rows["method"] == "lemmatized", ["corpus", "task", "label", "concept", "modality", "count"]]
    assert [tuple(row) for row in lemmatized.itertuples(index=False)] == [
        ("mine", "art", "Sky", "sky", "text", 0),
        ("mine", "art", "rose_", "rose", "text", 5),
        ("mine", "zoo", "Rose", "rose", "text", 5),
    ]
    modalities = rows.drop_duplicates("method").set_index("method")["modality"].to_dict()
    assert modalities["openclip@0.30"] == "image"
    assert modalities["lemmatized+openclip@0.30"] == "joint"


def test_degrees_are_shares_of_all_samples_and_of_those_with_a_concept():
    _, counts = match_part(make_part(TEXT, IMAGE), CONCEPTS, METHODS)
    rows = describe_alignment("mine", METHODS, counts)
    assert [tuple(row) for row in rows.itertuples(index=False)] == [
        ("mine", "lemmatized+openclip@0.20", 1, 1 / 7, 1 / 6),
        ("mine", "lemmatized+openclip@0.30", 1, 1 / 7, 1 / 6),
    ]


@pytest.fixture
def three_parts() -> list[ShardPart]:
    """Parts of thirty samples each, with more than 200 hits together."""
    chance = np.random.default_rng(3)
    parts = []
    for first in range(0, 90, 30):
        text = {row: " ".join(name for name in CONCEPTS if chance.random() < 0.5) for row in range(30)}
        image = {row: {name: float(chance.random() / 2 + 0.2) for name in CONCEPTS[:2]} for row in range(0, 30, 2)}
        parts.append(make_part({row: names for row, names in text.items() if names}, image, first, 30))
    return parts


def divide_into_files(monkeypatch) -> None:
    """Makes a corpus of ninety samples a large one: ranges of 100 hits, files of 40 samples, batches of 17 rows."""
    monkeypatch.setattr(merge, "RANGE_HITS", 100)
    monkeypatch.setattr(merge, "FILE_ROWS", 40)
    monkeypatch.setattr("precompute.search.sorting.ROWS_AT_ONCE", 17)
    monkeypatch.setattr(merge, "PARTS_AT_ONCE", 1)


def test_files_of_a_large_corpus_have_the_rows_of_one(tmp_path, monkeypatch, three_parts):
    whole, _ = merge_parts(three_parts, tmp_path / "one", "mine", METHODS)
    divide_into_files(monkeypatch)
    assert merge.split_concepts([80, 60, 30]) == [(0, 1), (1, 3)]
    entries, _ = merge_parts(three_parts, tmp_path / "several", "mine", METHODS)
    for name in SEARCHED:
        assert read_rows(tmp_path / "several", name) == read_rows(tmp_path / "one", name)
        assert entries[name]["rows"] == whole[name]["rows"]
    assert entries["hits"]["rows"] > 200
    assert [part["rows"] for part in entries["samples"]["parts"]] == [30, 30, 30]
    hits = [set(pq.read_table(path)["concept"].to_pylist()) for path in corpus_files(tmp_path / "several", "hits", "mine")]
    assert hits == [{"fern"}, {"rose"}, {"sky"}]
    assert "parts" not in entries["cooccurrences"]


def test_files_of_a_large_corpus_are_the_same_bytes_in_two_processes(tmp_path, monkeypatch, three_parts):
    divide_into_files(monkeypatch)
    made = [merge_parts(three_parts, tmp_path / f"{count}", "mine", METHODS, count)[0] for count in (1, 2)]
    assert made[0] == made[1]


def test_corpus_that_grew_or_shrank_leaves_no_file_of_before(tmp_path, monkeypatch, three_parts):
    merge_parts(three_parts, tmp_path, "mine", METHODS)
    with monkeypatch.context() as larger:
        divide_into_files(larger)
        merge_parts(three_parts, tmp_path, "mine", METHODS)
    assert sorted(path.name for path in (tmp_path / "samples").rglob("*")) == [
        "00000.parquet",
        "00001.parquet",
        "00002.parquet",
        "mine",
    ]
    merge_parts(three_parts, tmp_path, "mine", METHODS)
    assert [path.name for path in (tmp_path / "samples").rglob("*")] == ["mine.parquet"]


def test_hits_of_a_part_can_be_read_by_concept(tmp_path):
    (placed,) = place_parts([make_part(TEXT, IMAGE)], tmp_path)
    for path in (*placed.text, *placed.image):
        concepts = pq.read_table(path)["concept"].to_pylist()
        assert concepts == sorted(concepts)
        assert len(set(concepts)) > 1
