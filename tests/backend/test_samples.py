"""Samples of a concept and samples that disagree, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from backend import samples
from backend.disagreements import DISAGREEMENTS, count_misaligned, find_misaligned
from backend.errors import EmptySelection, MissingTable
from backend.settings import SHOW_URLS
from backend.study import Study
from backend.tables import to_arrow, write_table
from backend.validation import study_faults
from tests.searched_study import FAR, build, split_file
from tests.tiny_study import count_rows, write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return build(tmp_path_factory.mktemp("samples") / "tiny")


def find(study: Study, concept: str, modality: str, image_method: str | None = "openclip@0.26", **options) -> list[tuple]:
    """sample_id, text and score (two decimals) of the hits."""
    found = samples.find_hits(
        study, concept, "mine", modality, **{"text_method": "lemmatized", "image_method": image_method, **options}
    )
    scores = [None if np.isnan(score) else round(float(score), 2) for score in found["score"]]
    return list(zip(found["sample_id"], found["text"], scores, strict=True))


def test_study_of_these_tests_has_no_fault(study):
    assert study_faults(study.folder) == []


# Hits


def test_only_searched_corpora_have_samples(study):
    assert samples.list_sampled_corpora(study).to_dict("records") == [{"corpus": "mine", "title": "MINE", "indexed": None}]


def test_samples_that_no_search_describes_are_not_offered(study):
    bare = Study(study.folder, {key: value for key, value in study.manifest.raw.items() if key != "search"})
    assert samples.list_sampled_corpora(bare).empty
    with pytest.raises(EmptySelection, match="holds no hits of 'mine', only of: no corpus"):
        samples.count_hits(bare, "rose", "mine")


def test_corpus_searched_by_text_alone_is_counted_by_text_alone(study):
    search = {"mine": {"text": ["lemmatized"], "image": [], "chosen": {"text": "lemmatized"}}}
    counts = samples.count_hits(Study(study.folder, study.manifest.raw | {"search": search}), "rose", "mine")
    assert counts.to_dict("records") == [{"modality": "text", "method": "lemmatized", "hits": 4}]


def test_hits_are_counted_by_every_method(study):
    counts = samples.count_hits(study, "rose", "mine")
    assert [tuple(row) for row in counts.itertuples(index=False)] == [
        ("text", "lemmatized", 4),
        ("text", "lowercased", 3),
        ("text", "phrase", 0),
        ("image", "openclip@0.20", 4),
        ("image", "openclip@0.26", 4),  # one score is 0.26: a threshold that is met is passed
        ("image", "openclip@0.30", 2),
        ("joint", "lemmatized+openclip@0.20", 2),
        ("joint", "lemmatized+openclip@0.26", 2),
        ("joint", "lemmatized+openclip@0.30", 1),
        ("joint", "lowercased+openclip@0.20", 2),
        ("joint", "lowercased+openclip@0.26", 2),
        ("joint", "lowercased+openclip@0.30", 1),
        ("joint", "phrase+openclip@0.20", 0),
        ("joint", "phrase+openclip@0.26", 0),
        ("joint", "phrase+openclip@0.30", 0),
    ]


def test_concept_without_hits_counts_zero_everywhere(study):
    counts = samples.count_hits(study, "unicorn", "mine")
    assert (len(counts), counts["hits"].sum()) == (15, 0)
    assert find(study, "unicorn", "image") == []


def test_text_hits_come_by_image_score_and_those_without_one_last(study):
    assert find(study, "rose", "text") == [(0, True, 0.31), (1, True, 0.26), (4, True, None), (FAR, True, None)]


def test_text_hit_shows_a_score_that_does_not_count(study):
    assert find(study, "rose", "text", "openclip@0.30")[1] == (1, True, 0.26)


def test_image_hits_are_those_of_at_least_the_threshold(study):
    assert find(study, "rose", "image") == [(2, False, 0.33), (0, True, 0.31), (3, False, 0.28), (1, True, 0.26)]
    assert find(study, "rose", "image", "openclip@0.30") == [(2, False, 0.33), (0, True, 0.31)]


def test_threshold_between_the_counted_ones_is_applied(study):
    assert find(study, "rose", "image", "openclip@0.27") == [(2, False, 0.33), (0, True, 0.31), (3, False, 0.28)]


def test_equal_scores_come_by_sample(study):
    assert find(study, "lily", "image", "openclip@0.20") == [(FAR, False, 0.24), (1, True, 0.21), (2, True, 0.21)]


def test_joint_hits_are_text_and_image(study):
    assert find(study, "rose", "joint") == [(0, True, 0.31), (1, True, 0.26)]
    assert find(study, "rose", "joint", "openclip@0.30") == [(0, True, 0.31)]
    assert find(study, "rose", "joint", text_method="phrase") == []


def test_pages_of_hits_follow_each_other(study):
    whole = find(study, "rose", "image")
    assert find(study, "rose", "image", limit=3) + find(study, "rose", "image", limit=3, offset=3) == whole
    assert find(study, "rose", "image", offset=4) == []


@pytest.mark.parametrize("modality", ["text", "image", "joint"])
def test_hits_of_a_common_concept_are_those_of_any(study, modality, monkeypatch):
    pages = [{"limit": limit, "offset": offset} for limit in (1, 2, 9) for offset in (0, 1)]
    wanted = [find(study, "rose", modality, **page) for page in pages]
    monkeypatch.setattr(samples, "_list_frequent", lambda *asked: {"rose"})
    for walked in (1, 16):  # where a walk is too short, all are looked at
        monkeypatch.setattr(samples, "WALKED", walked)
        assert [find(study, "rose", modality, **page) for page in pages] == wanted


def test_concept_is_common_by_what_the_study_counts(tmp_path, monkeypatch):
    counted = build(tmp_path / "tiny")
    counts = pd.DataFrame(count_rows("mine", "openclip@0.20", {"rose": 4, "lily": 3}))
    write_table(counted.folder, "frequency", to_arrow("frequency", counts))
    monkeypatch.setattr(samples, "MANY", 3)
    asked, query = [], Study.query
    monkeypatch.setattr(Study, "query", lambda self, sql, **keys: asked.append(sql) or query(self, sql, **keys))
    walks = {}
    for concept in ("rose", "lily"):
        asked.clear()
        find(Study(counted.folder), concept, "joint", limit=1)
        walks[concept] = any("$most" in sql for sql in asked)
    assert walks == {"rose": True, "lily": False}


@pytest.mark.parametrize("modality", ["text", "image", "joint"])
@pytest.mark.parametrize("threshold", ["0.20", "0.26", "0.30"])
def test_counts_are_the_lengths_of_the_lists(study, modality, threshold):
    counts = samples.count_hits(study, "rose", "mine").set_index("method")["hits"]
    image = f"openclip@{threshold}"
    method = {"text": "lemmatized", "image": image, "joint": f"lemmatized+{image}"}[modality]
    assert len(find(study, "rose", modality, image)) == counts[method]


def test_hit_has_its_caption_and_the_place_of_its_image(study):
    found = samples.find_hits(study, "rose", "mine", "text", text_method="lemmatized", image_method="openclip@0.26")
    rows = {row.sample_id: row for row in found.itertuples(index=False)}
    assert (rows[0].caption, rows[0].image, rows[0].width, rows[0].height) == ("a red rose", "shards/0000.tar", 32, 24)
    assert (rows[FAR].image, rows[FAR].width) == ("far.png", 8)
    assert found[found["image"].isna()]["sample_id"].tolist() == [4]
    assert found["offset"].isna().tolist() == [False, False, True, True]


def test_corpus_whose_images_were_not_searched_has_text_hits(study):
    assert find(study, "rose", "text", None) == [(0, True, None), (1, True, None), (4, True, None), (FAR, True, None)]
    assert find(study, "rose", "image", None) == find(study, "rose", "joint", None) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_method": "stemmed"}, "'mine' has no text hits by 'stemmed'. It has: lemmatized, lowercased, phrase."),
        (
            {"image_method": "rampp@0.7"},
            "'mine' has no image hits by 'rampp@0.7'. It has: openclip@0.20, openclip@0.26, openclip@0.30.",
        ),
        (
            {"image_method": "openclip@0.10"},
            "'mine' has no image hits below 'openclip@0.20', so none by 'openclip@0.10'.",
        ),
        (
            {"image_method": "openclip@high"},
            "'openclip@high' names no threshold: a number stands after the @, as in openclip@0.25.",
        ),
    ],
)
def test_method_that_the_corpus_was_not_searched_by_is_named(study, options, message):
    with pytest.raises(EmptySelection) as error:
        find(study, "rose", "text", **options)
    assert str(error.value) == message


def test_corpus_without_samples_is_named_with_the_command(study):
    with pytest.raises(EmptySelection) as error:
        samples.count_hits(study, "rose", "other")
    assert str(error.value) == (
        "Study 'tiny' holds no hits of 'other', only of: mine. "
        f"Index it: python -m precompute index --study {study.folder} --corpus NAME --shards GLOB"
    )


def test_study_without_samples_says_what_to_run(tmp_path):
    study = write_study(tmp_path, count_rows("mine", "lemmatized", {"rose": 4}))
    for ask in (samples.list_sampled_corpora, lambda study: count_misaligned(study, "mine", 0.2)):
        with pytest.raises(MissingTable, match="python -m precompute index --study"):
            ask(study)


def test_hits_given_in_a_file_need_no_threshold(tmp_path):
    hits = [{"corpus": "mine", "concept": "rose", "modality": "image", "method": "annotated", "sample_id": 3, "score": 1.0}]
    sample = {"corpus": "mine", "sample_id": 3, "caption": "x", "image": None, "offset": None, "length": None}
    search = {"text": ["lemmatized"], "image": ["annotated"], "chosen": {"text": "lemmatized", "image": "annotated"}}
    study = write_study(
        tmp_path,
        count_rows("mine", "lemmatized", {"rose": 0}),
        manifest={"search": {"mine": search}},
        samples=[sample | {"width": None, "height": None}],
        hits=hits,
    )
    assert find(study, "rose", "image", "annotated") == [(3, False, 1.0)]
    assert samples.count_hits(study, "rose", "mine")["hits"].tolist() == [0, 1, 0]


def test_threshold_is_compared_as_scores_are_stored():
    assert samples.as_stored(0.26) == float(np.float32(0.26)) != 0.26


# Samples without an image


@pytest.fixture
def captions_only(tmp_path):
    """A corpus of captions, of which the second has a URL."""
    urls = {0: None, 1: "https://a.example/1.jpg", 2: None}
    rows = [
        {"corpus": "mine", "sample_id": number, "caption": f"a rose {number}", "image": url}
        | dict.fromkeys(("offset", "length", "width", "height"))
        for number, url in urls.items()
    ]
    hits = [
        {"corpus": "mine", "concept": "rose", "modality": "text", "method": "lemmatized", "sample_id": number, "score": None}
        for number in urls
    ]
    search = {"text": ["lemmatized"], "image": [], "chosen": {"text": "lemmatized", "image": None, "joint": None}}
    return write_study(
        tmp_path / "captions",
        count_rows("mine", "lemmatized", {"rose": 3}),
        manifest={"search": {"mine": search}},
        samples=rows,
        hits=hits,
    )


def find_roses(study) -> pd.DataFrame:
    return samples.find_hits(study, "rose", "mine", "text", text_method="lemmatized", image_method=None)


def test_samples_without_an_image_are_found_and_their_urls_stay_hidden(captions_only):
    rows = find_roses(captions_only)
    assert rows["caption"].tolist() == ["a rose 0", "a rose 1", "a rose 2"]
    assert rows["image"].isna().all() and rows["url"].isna().all()


def test_urls_are_given_where_the_operator_allows_them(captions_only, monkeypatch):
    monkeypatch.setenv(SHOW_URLS, "1")
    rows = find_roses(captions_only)
    assert rows["url"].fillna("").tolist() == ["", "https://a.example/1.jpg", ""]
    assert rows["image"].isna().all()


# Files


SIZES = {"hits": (2, 5, 4, 4, 3), "samples": (2, 1, 3), "disagreements": (4, 6, 3), "misaligned": (3, 2)}


@pytest.fixture(scope="module", params=["sorted", "as they came"])
def in_files(tmp_path_factory, request) -> Study:
    """The same study with its rows in several files, in their tables' order, whose files are told apart, or in another."""
    study = build(tmp_path_factory.mktemp("a study's {files}") / "tiny")
    for table, sizes in SIZES.items():
        column = "concept" if table in ("hits", "disagreements") else "sample_id"
        study = split_file(study, table, sizes, column if request.param == "sorted" else None)
    return study


@pytest.mark.parametrize("modality", ["text", "image", "joint"])
@pytest.mark.parametrize("concept", ["lily", "rose", "aster", "nothing", "zinnia"])
def test_answers_are_the_same_however_rows_lie_in_files(study, in_files, monkeypatch, modality, concept):
    assert find(in_files, concept, modality) == find(study, concept, modality)
    monkeypatch.setattr(samples, "_list_frequent", lambda *asked: {concept})
    assert find(in_files, concept, modality) == find(study, concept, modality)


@pytest.mark.parametrize("concept", ["lily", "rose", "unicorn", None])
def test_disagreements_are_the_same_however_rows_lie_in_files(study, in_files, concept):
    for kind in DISAGREEMENTS:
        found = [find_misaligned(one, "mine", 0.26, kind, concept=concept)["sample_id"].tolist() for one in (in_files, study)]
        assert found[0] == found[1]
    pd.testing.assert_frame_equal(*(count_misaligned(one, "mine", 0.26, concept) for one in (in_files, study)))


@pytest.mark.parametrize("concept", ["lily", "rose", "unicorn"])
def test_hits_are_counted_the_same_however_they_lie_in_files(study, in_files, concept):
    pd.testing.assert_frame_equal(samples.count_hits(in_files, concept, "mine"), samples.count_hits(study, concept, "mine"))
