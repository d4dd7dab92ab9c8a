"""A corpus grows by what is new alone, says what it found, and ends with the same bytes wherever it was killed."""

import dataclasses
import os
import re
import shutil
import time

import pytest

from backend import writing
from backend.errors import TailscopeError
from backend.study import Study
from backend.validation import study_faults
from backend.writing import file_sha256
from precompute import study_writer
from precompute.search import cache as caches
from precompute.search import forecast
from precompute.search import shards as shard_search
from precompute.search.cache import measure_cache, name_cache
from precompute.search.index import Request, foretell_study, index_study
from precompute.search.layers import MOST_LAYERS, Layer, choose_layers, number_layers
from precompute.vocabulary import add_tasks
from tests.precompute.colour_shards import picture, write_shard

RED, GREEN = picture(128, 0, 0), picture(0, 96, 0)


@pytest.fixture
def shards(tmp_path):
    """A folder of three small shards."""
    for number in range(3):
        samples = [(f"a rose and fern {number}", RED), ("a rose", RED), ("", GREEN)]
        write_shard(tmp_path / "corpus" / f"{number}.tar", samples)
    return tmp_path / "corpus"


@pytest.fixture
def study(tmp_path):
    """A study that knows its concepts alone."""
    add_concepts(tmp_path / "studies" / "mine", "plants", "rose", "fern", "&")
    return tmp_path / "studies" / "mine"


@pytest.fixture
def searched(monkeypatch):
    """The names of the shards whose bytes are read for samples, in order."""
    names, read_batches = [], shard_search.read_batches

    def note(shard, *rest):
        names.append(shard.path.name)
        return read_batches(shard, *rest)

    monkeypatch.setattr(shard_search, "read_batches", note)
    return names


def add_concepts(study, task: str, *names: str) -> None:
    path = study.with_name(f"{task}.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(names) + "\n")
    add_tasks(study, {task: path})
    path.unlink()


def ask(shards, **options) -> Request:
    return Request("mine", [str(shards / "*.tar")], **options)


def checksums(study) -> dict[str, str]:
    return {str(path.relative_to(study)): file_sha256(path) for path in sorted(study.rglob("*.parquet"))}


def index(study, asked: Request, **options) -> list[str]:
    """Indexes and returns the sentences that were told, but those on how the shards are read."""
    lines = []
    index_study(study, asked, tell=lines.append, **options)
    return [line for line in lines if line.startswith(("Found", "Shards of", "'mine'")) or "changed since" in line]


def test_new_shard_is_read_alone_and_the_run_says_what_it_found(study, shards, searched):
    assert index(study, ask(shards)) == []
    write_shard(shards / "3.tar", [("fern", GREEN)])
    searched[:] = []
    assert index(study, ask(shards)) == [
        "Shards of 'mine': 1 new, such as 3.tar.",
        "Found 3 of 4 shards searched by an earlier run; read now: 1.",
    ]
    assert searched == ["3.tar"]
    assert study_faults(study) == []
    grown = checksums(study)
    shutil.rmtree(name_cache(study))
    index(study, ask(shards, force=True))
    assert checksums(study) == grown


def test_new_concept_is_told_and_no_shard_is_read(study, shards, searched):
    index(study, ask(shards))
    add_concepts(study, "more", "rose fern")
    searched[:] = []
    assert index(study, ask(shards)) == [
        "Found 0 of 3 shards searched by an earlier run; 3 more are kept and searched for what is new alone."
    ]
    assert searched == []
    sql = "SELECT count FROM frequency WHERE concept = 'rose fern' AND method = 'lemmatized'"
    assert Study(study).query(sql)["count"].tolist() == [3]


def test_changed_and_vanished_shards_are_told(study, shards, searched):
    index(study, ask(shards))
    write_shard(shards / "1.tar", [("other", RED)])
    (shards / "2.tar").unlink()
    searched[:] = []
    assert index(study, ask(shards, least_kept=0)) == [
        "Shards of 'mine': 1 gone from the disk, whose samples leave, such as 2.tar.",
        "1 of 2 shards changed since, such as 1.tar: searched anew.",
        "Found 1 of 2 shards searched by an earlier run; read now: 1.",
    ]
    assert searched == ["1.tar"]
    assert Study(study).query("SELECT indexed FROM corpora")["indexed"].tolist() == [3]


def test_shards_that_are_named_no_more_are_not_taken_for_gone(study, shards):
    index(study, ask(shards))
    before = checksums(study)
    with pytest.raises(TailscopeError, match=r"2 of the 3 files of 'mine' are not among --shards, such as .*1\.tar. Name them"):
        index_study(study, Request("mine", [str(shards / "0.tar")]))
    assert checksums(study) == before
    index(study, Request("mine", [str(shards / "0.tar")], force=True))
    assert Study(study).query("SELECT indexed FROM corpora")["indexed"].tolist() == [2]


def test_other_arguments_are_refused_with_both_values_and_the_command_that_goes_on(study, shards, tmp_path):
    (tmp_path / "hits.csv").write_text("image,label\n0,rose\n")
    index(study, ask(shards, image_hits=tmp_path / "hits.csv"))
    before = checksums(study)
    with pytest.raises(TailscopeError) as refused:
        index_study(study, ask(shards, tagger="ViT-B-32:openai"))
    message = str(refused.value)
    assert "no --tagger then, --tagger ViT-B-32:openai now" in message
    assert "--image-hits hits.csv then, no --image-hits now" in message
    assert re.search(
        r"go on as it was: python -m precompute index --study \S*mine --corpus mine --shards '\S*\*\.tar'", message
    )
    assert message.endswith("--image-hits hits.csv")
    assert checksums(study) == before
    index(study, ask(shards, force=True))
    assert not Study(study).has("alignment")


def test_thresholds_that_are_not_named_again_stay(study, shards, tmp_path):
    (tmp_path / "hits.csv").write_text("image,label,score\n0.tar/0,rose,0.7\n1.tar/1,rose,0.55\n")
    hits = tmp_path / "hits.csv"
    index(study, ask(shards, image_hits=hits, thresholds=[0.5, 0.6], chosen=0.6))
    write_shard(shards / "3.tar", [("fern", GREEN)])
    index(study, ask(shards, image_hits=hits))
    search = Study(study).manifest.search["mine"]
    assert (search.image, search.chosen.image) == (("given@0.50", "given@0.60"), "given@0.60")
    index(study, ask(shards, image_hits=hits, thresholds=[0.5, 0.6, 0.7], chosen=0.7))
    sql = "SELECT count FROM frequency WHERE concept = 'rose' AND method = 'given@0.70'"
    assert Study(study).query(sql)["count"].tolist() == [1]


def test_name_that_fits_images_of_several_shards_hits_none_of_them(study, shards, tmp_path):
    (tmp_path / "hits.csv").write_text("image,label\n0.png,rose\n1.tar/0.png,rose\n2.tar/1.png,fern\n")
    manifest = index_study(study, ask(shards, image_hits=tmp_path / "hits.csv"))
    assert manifest["counts"]["index"]["mine"]["image hits"] == {
        "read": 3,
        "written": 2,
        "dropped": {"name of several images": 1},
    }
    sql = "SELECT concept, count FROM frequency WHERE method = 'annotated' AND concept <> '&' ORDER BY concept"
    assert Study(study).query(sql).values.tolist() == [["fern", 1], ["rose", 1]]
    assert study_faults(study) == []


def test_run_killed_at_any_of_fifty_points_ends_with_the_same_bytes(study, shards, tmp_path, monkeypatch):
    """A run dies before and after writes, renames and progress, at points spread over all of it; a rerun mends what it left."""
    (tmp_path / "hits.csv").write_text("image,label\n0.tar/0,rose\n1.tar/1,fern\n")
    asked, points = ask(shards, image_hits=tmp_path / "hits.csv"), 50
    before, fresh = checksums(study), study.with_name("fresh")
    shutil.copytree(study, fresh)
    real_write, real_move, real_fsync = shard_search.write_rows, study_writer.move_into_place, os.fsync

    class Killed(BaseException):
        pass

    reached, last = [], [10**9]

    def reach(*_):
        reached.append(1)
        if len(reached) == last[0]:
            raise Killed

    def run_until(point: int) -> bool:
        """Whether a run from the beginning was killed at this point."""
        for folder in (study, name_cache(study)):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(fresh, study)
        reached.clear()
        last[0] = point
        with monkeypatch.context() as patch:
            patch.setattr(shard_search, "write_rows", lambda *all: (reach(), real_write(*all), reach()))
            patch.setattr(writing.os, "fsync", lambda descriptor: (reach(), real_fsync(descriptor), reach()))
            patch.setattr(study_writer, "move_into_place", lambda *all: (reach(), real_move(*all), reach()))
            patch.setattr(caches, "sweep", reach)
            try:
                index_study(study, asked, say=reach, tell=reach)
            except Killed:
                return True
        return False

    assert not run_until(10**9)
    whole, count = checksums(study), len(reached)
    assert count > points
    for number in range(points):
        assert run_until(1 + number * (count - 1) // (points - 1))
        assert checksums(study) in (before, whole)
        index(study, asked)
        assert checksums(study) == whole
    assert study_faults(study) == []


def test_what_is_kept_has_a_size_and_goes_where_it_is_not_wanted(study, shards, searched):
    index(study, ask(shards))
    assert 3_000 < measure_cache(study) < 200_000
    searched[:] = []
    index(study, ask(shards, keep=False, force=True))
    assert (searched, name_cache(study).exists(), measure_cache(study)) == ([], False, 0)
    index(study, ask(shards, force=True))
    assert searched == ["0.tar", "1.tar", "2.tar"]


def test_what_other_code_left_is_deleted_once_a_run_has_ended_well(study, shards):
    index(study, ask(shards))
    old = name_cache(study) / "0123456789abcdef"
    (old / "parts" / "a").mkdir(parents=True)
    index(study, dataclasses.replace(ask(shards), force=True))
    assert not old.exists()


def test_dry_run_writes_nothing_and_foretells_what_then_happens(study, tmp_path):
    captions = "".join(f"a rose number {number}, and a fern of {number % 7} leaves\n" for number in range(30_000))
    (tmp_path / "a.csv").write_text("caption\n" + captions)
    asked = Request("mine", [str(tmp_path / "a.csv")])
    before, lines = checksums(study), []
    foretold = foretell_study(study, asked, tell=lines.append)
    assert checksums(study) == before
    assert any("30,0" in line or "about" in line for line in lines)
    index_study(study, asked)
    real = sum(path.stat().st_size for name in ("samples", "hits") for path in (study / name).glob("*.parquet"))
    assert real / 2 < foretold.study_bytes < real * 2
    assert measure_cache(study) / 2 < foretold.kept_bytes < measure_cache(study) * 2
    assert 15_000 < foretold.samples < 60_000
    assert foretold.describe().startswith(f"Foretold from {foretold.measured:,} of about {foretold.samples:,} samples: ")


def test_corpus_without_a_hit_says_so(study, tmp_path):
    (tmp_path / "a.txt").write_text("nothing of the kind\nnor here\n")
    lines = []
    index_study(study, Request("mine", [str(tmp_path / "a.txt")]), tell=lines.append)
    assert re.search(r"^No caption of 'mine' shows any of the study's \d+ concepts\.$", lines[-1])


# Layers


def test_layers_that_are_known_are_taken_and_the_rest_is_a_new_one(tmp_path):
    (first,) = choose_layers(tmp_path, ["b", "a", "c"])
    assert first.concepts == ("a", "b", "c")
    assert choose_layers(tmp_path, ["c", "b", "a", "d"]) == (first, Layer(("d",)))
    assert choose_layers(tmp_path, ["a", "c"]) == (first,)  # most of it is wanted
    assert choose_layers(tmp_path, ["x", "a"]) == (Layer(("a", "x")),)  # little of it is


def test_many_small_layers_become_one(tmp_path):
    names = [f"concept {number:02}" for number in range(40)]
    choose_layers(tmp_path, names[:20])
    for count in range(21, 41):
        layers = choose_layers(tmp_path, names[:count])
        assert len(layers) <= MOST_LAYERS
        assert sorted({concept for layer in layers for concept in layer.concepts}) >= names[:count]


def test_concept_of_two_layers_counts_in_the_first_alone():
    layers = [Layer(("a", "b")), Layer(("b", "c"))]
    assert number_layers(layers, ["b", "c"]) == ((-1, 0), (-1, 1))


def test_what_a_piece_spends_once_is_not_multiplied(study, tmp_path, monkeypatch):
    """On a machine with other work the larger piece may take no longer than the smaller: 5 min were foretold of 26 s."""
    (tmp_path / "a.csv").write_text("caption\n" + "".join(f"a rose and {number} ferns\n" for number in range(30_000)))
    merge, waits = forecast.merge_parts, iter([0.5, 0.45, 0.4, 0.35, 0.3, 0.3, 0.3])

    def merge_slowly(*arguments):
        time.sleep(next(waits))
        return merge(*arguments)

    monkeypatch.setattr(forecast, "merge_parts", merge_slowly)
    monkeypatch.setattr(forecast, "LEAST_SECONDS", 0.4)
    foretold = foretell_study(study, Request("mine", [str(tmp_path / "a.csv")]))
    assert foretold.measured > 256  # no growth was to be seen by then
    assert foretold.seconds < 15
