"""Building the embedded study: small worlds through the whole pipeline, and what the real one must show."""

import json
import shutil
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from backend.errors import TailscopeError
from backend.probe.candidates import choose_candidates
from backend.probe.facts import find_sure_examples
from backend.study import ROOT, Study
from backend.validation import study_faults
from precompute.corpus.shard import SAMPLES_PER_SHARD
from precompute.synthetic import build, corpora, truth

SILENT = lambda stage, done: None  # noqa: E731


@pytest.fixture
def small_world(monkeypatch):
    """The same world with corpora of a few hundred samples."""
    sizes = {
        "zipf-20k": 200,
        "zipf-10k": 100,
        "zipf-5k": 50,
        corpora.BALANCED: 200,
        corpora.VALIDATION: 100,
        corpora.HELD_OUT: 60,
    }
    for name, size in sizes.items():
        monkeypatch.setitem(corpora.PAIRS, name, size)
    for module in (build, truth):
        monkeypatch.setattr(module, "SHARD", 50)
    monkeypatch.setattr(build, "TEST_EACH", 1)
    build.plan_in.cache_clear()
    yield
    build.plan_in.cache_clear()


def test_a_killed_build_goes_on_where_it_was_and_the_study_is_whole(small_world, tmp_path, monkeypatch):
    out = tmp_path / "synthetic"

    def kill(stage, done):
        if (stage, done) == ("merging shards", 1.0):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build.build_synthetic(out, kill, processes=1)
    assert not out.exists()
    drawn = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tar")}
    monkeypatch.setattr(build, "write_shard", lambda *arguments, **options: pytest.fail("a file was drawn again"))
    monkeypatch.setattr("precompute.search.shards.encode_images", lambda *arguments: pytest.fail("a shard was searched again"))
    manifest = build.build_synthetic(out, SILENT, processes=1)
    assert len(drawn) == len(list(out.rglob("*.tar"))) > 0
    assert study_faults(out) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["synthetic"]
    assert manifest["counts"]["index"]["zipf-20k"]["samples"] == {"read": 200, "written": 200, "dropped": {}}
    assert build.build_synthetic(out, SILENT, processes=1) is None


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TailscopeError, match="something other than the embedded study"):
        build.build_synthetic(tmp_path, SILENT)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_missing_models_are_named_with_the_command_that_trains_them(tmp_path):
    shutil.copytree(build.MODELS / "tagger", tmp_path / "models" / "tagger")
    with pytest.raises(TailscopeError, match=r"lacks the models zipf-20k, zipf-5k, balanced-20k.*--train"):
        build.build_synthetic(tmp_path / "out", SILENT, models=tmp_path / "models")


def test_the_real_study_has_no_faults_and_every_table(embedded_study):
    assert study_faults(embedded_study.folder) == []
    wanted = {"concepts", "corpora", "frequency", "models", "performance", "overall", "scaling", "alignment", "tail"}
    wanted |= {
        "samples",
        "hits",
        "cooccurrences",
        "misaligned",
        "disagreements",
        "distinct_hits",
        "drops",
        "contents",
        "predictions",
    }
    assert wanted | {"search_quality", "truth", "sample_truth"} == embedded_study.tables


def test_its_truth_is_what_a_recount_of_captions_and_draws_gives(embedded_study):
    """Names looked for letter by letter in the captions of the shards, and the species of the plan that drew them."""
    names = [one.name for one in build.draw_species(build.SEED)]
    captions = embedded_study.query("SELECT caption FROM samples WHERE corpus = 'zipf-5k'")["caption"]
    flat = [f" {caption.lower().replace('_', ' ').replace('-', ' ')} " for caption in captions]
    spelled = [[flat_one.count(name) for flat_one in flat] for name in names]
    text = {name: int((np.array(counts) > 0).sum()) for name, counts in zip(names, spelled, strict=True) if sum(counts)}
    plans = pq.read_table(embedded_study.folder / "corpora" / "truth-zipf-5k.parquet").to_pylist()
    image = Counter(names[one] for plan in plans for one in plan["shown"])
    for modality, recount in (("text", text), ("image", image)):
        rows = embedded_study.query(
            "SELECT concept, count FROM truth WHERE corpus = 'zipf-5k' AND modality = $modality AND count > 0",
            modality=modality,
        )
        counted = dict(zip(rows["concept"], rows["count"], strict=True))
        unsure = {name for name in names if any(name != other and name in other for other in names)}
        assert {name: count for name, count in counted.items() if name not in unsure} == {
            name: count for name, count in recount.items() if name not in unsure
        }


def test_its_text_search_is_nearly_perfect_and_its_image_search_is_not_far_off(embedded_study):
    rows = embedded_study.query(
        "SELECT method, modality, min(precision) AS precision, min(recall) AS recall FROM search_quality "
        "WHERE split = 'all' GROUP BY ALL"
    ).set_index("method")
    assert rows.loc["phrase", ["precision", "recall"]].tolist() == [1.0, 1.0]
    assert rows.loc["lemmatized", "recall"] == 1.0
    assert rows.loc["lemmatized", "precision"] > 0.98
    assert rows.loc["lowercased", "recall"] < 0.95
    chosen = embedded_study.manifest.raw["search"]["zipf-20k"]["chosen"]["image"]
    assert rows.loc[chosen, "precision"] > 0.7
    assert rows.loc[chosen, "recall"] > 0.7


def test_samples_that_are_sure_to_show_a_rare_species_do(embedded_study):
    names = [one.name for one in build.draw_species(build.SEED)]
    shown = {
        corpus: pq.read_table(embedded_study.folder / "corpora" / f"truth-{corpus}.parquet")["shown"].to_pylist()
        for corpus in embedded_study.list_corpora("samples")
    }
    found = []
    for name in choose_candidates(embedded_study, "tail", "lemmatized").concepts:
        corpus, rows = find_sure_examples(embedded_study, name, 6)
        for sample_id in rows["sample_id"]:
            number = sample_id // SAMPLES_PER_SHARD * build.SHARD + sample_id % SAMPLES_PER_SHARD
            found.append(shown[corpus][number] == [names.index(name)])
    assert len(found) > 200
    assert np.mean(found) > 0.99


def test_accuracy_rises_with_frequency_where_the_data_is_zipf_and_not_where_it_is_balanced(embedded_study):
    from backend.scaling import compare_training

    pair = embedded_study.manifest.raw["causal"]["pairs"][0]
    compared = compare_training(
        embedded_study, pair["corpus"], tuple(pair["models"]), method="lemmatized", setting="simple", kind="classification"
    )
    assert compared.first.fit.slope_low > 10
    assert compared.second.fit.slope_low < 0 < compared.second.fit.slope_high


def test_books_balance_everywhere(embedded_study):
    def entries(books):
        if "read" in books:
            yield books
        else:
            for inner in books.values():
                yield from entries(inner)

    found = list(entries(embedded_study.manifest.raw["counts"]))
    assert len(found) > 20
    for entry in found:
        assert entry["read"] == entry["written"] + sum(entry["dropped"].values())


def test_a_study_can_be_moved_its_manifest_names_no_place_of_this_machine(embedded_study):
    assert str(ROOT) not in json.dumps(embedded_study.manifest.raw)
    assert isinstance(embedded_study, Study)
