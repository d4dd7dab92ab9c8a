"""Samples of a concept and samples that disagree, worked out by hand; images that are read, cut short, missing or huge."""

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend import images, samples
from backend.errors import EmptySelection, ImageError, MissingTable
from backend.images import Thumbnails, make_thumbnail, read_image_bytes
from backend.study import Study
from backend.validation import study_faults
from tests.tiny_study import count_rows, write_study

FAR = 10_000_000  # the first sample of the second shard
COLORS = {0: "red", 1: "orange", 2: "white", 3: "pink"}
CAPTIONS = {0: "a red rose", 1: "rose and lily", 2: "a lily", 3: "nothing", 4: "roses", FAR: "a rose"}
TEXT_HITS = {"lemmatized": {"rose": [0, 1, 4, FAR], "lily": [1, 2]}, "lowercased": {"rose": [0, 1, FAR], "lily": [1, 2]}}
SCORES = {"rose": {2: 0.33, 0: 0.31, 3: 0.28, 1: 0.26}, "lily": {FAR: 0.24, 1: 0.21, 2: 0.21}}
SEARCH = {
    "text": ["lemmatized", "lowercased", "phrase"],
    "image": ["openclip@0.20", "openclip@0.26", "openclip@0.30"],
    "chosen": {"text": "lemmatized", "image": "openclip@0.26", "joint": "lemmatized+openclip@0.26"},
    "tagger": "a test",
}
MISALIGNED = [  # sample_id, text_concepts, image_concepts, image_scores, best, agreed; sample 0 agrees at every threshold
    (1, ["lily", "rose"], ["rose", "lily"], [0.26, 0.21], 0.26, 0.26),
    (2, ["lily"], ["rose", "lily"], [0.33, 0.21], 0.33, 0.21),
    (3, [], ["rose"], [0.28], 0.28, None),
    (4, ["rose"], [], [], None, None),
    (FAR, ["rose"], ["lily"], [0.24], 0.24, None),
]


def encode(image: Image.Image, form: str = "JPEG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def decode(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def halves(left: str, right: str, size: tuple[int, int] = (40, 20)) -> Image.Image:
    """An image of two colours side by side."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def write_shard(path: Path) -> dict[int, tuple[int, int]]:
    """A tar of four small JPEGs with their captions; the place of each in it: sample_id -> (offset, length)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for sample_id, color in COLORS.items():
            members = {"jpg": encode(Image.new("RGB", (32, 24), color)), "txt": CAPTIONS[sample_id].encode()}
            for extension, content in members.items():
                member = tarfile.TarInfo(f"{sample_id:04}.{extension}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    with tarfile.open(path) as tar:
        return {int(member.name[:4]): (member.offset_data, member.size) for member in tar if member.name.endswith(".jpg")}


def hit_rows() -> list[dict]:
    rows = [
        {"concept": concept, "modality": "text", "method": method, "sample_id": sample_id, "score": None}
        for method, hits in TEXT_HITS.items()
        for concept, found in hits.items()
        for sample_id in found
    ]
    rows += [
        {"concept": concept, "modality": "image", "method": "openclip@0.20", "sample_id": sample_id, "score": score}
        for concept, scores in SCORES.items()
        for sample_id, score in scores.items()
    ]
    return [{"corpus": "mine"} | row for row in rows]


def build(folder: Path) -> Study:
    """A study of one searched corpus, whose images lie in a shard and in a plain file, and one that is only counted."""
    places = write_shard(folder / "shards" / "0000.tar")
    Image.new("RGB", (8, 4), "blue").save(folder / "far.png")
    image = dict.fromkeys(places, "shards/0000.tar") | {FAR: "far.png"}
    size = dict.fromkeys(places, (32, 24)) | {FAR: (8, 4)}
    sample_rows = [
        {
            "corpus": "mine",
            "sample_id": sample_id,
            "caption": caption,
            "image": image.get(sample_id),
            "offset": places.get(sample_id, (None, None))[0],
            "length": places.get(sample_id, (None, None))[1],
            "width": size.get(sample_id, (None, None))[0],
            "height": size.get(sample_id, (None, None))[1],
        }
        for sample_id, caption in CAPTIONS.items()
    ]
    names = ("sample_id", "text_concepts", "image_concepts", "image_scores", "best", "agreed")
    return write_study(
        folder,
        count_rows("mine", "lemmatized", {"rose": 4, "lily": 2}) + count_rows("other", "lemmatized", {"rose": 9}),
        manifest={"search": {"mine": SEARCH}, "arguments": {"index": {}}},
        samples=sample_rows,
        hits=hit_rows(),
        misaligned=[{"corpus": "mine"} | dict(zip(names, row, strict=True)) for row in MISALIGNED],
    )


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
    bare = Study(study.folder, {key: value for key, value in study.manifest.items() if key != "search"})
    assert samples.list_sampled_corpora(bare).empty
    with pytest.raises(EmptySelection, match="holds no hits of 'mine', only of: no corpus"):
        samples.count_hits(bare, "rose", "mine")


def test_corpus_searched_by_text_alone_is_counted_by_text_alone(study):
    search = {"mine": {"text": ["lemmatized"], "image": [], "chosen": {"text": "lemmatized"}}}
    counts = samples.count_hits(Study(study.folder, study.manifest | {"search": search}), "rose", "mine")
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


def test_concepts_of_some_samples(study):
    concepts = samples.list_sample_concepts(study, "mine", [1, FAR], text_method="lemmatized", image_method="openclip@0.26")
    assert list(zip(concepts["sample_id"], concepts["concept"], concepts["text"], strict=True)) == [
        (1, "rose", True),
        (1, "lily", True),  # by its caption: the score of 0.21 does not count, but is told
        (FAR, "rose", True),  # its lily has 0.24
    ]
    assert concepts["score"].round(2).tolist()[:2] == [pytest.approx(0.26), pytest.approx(0.21)]


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
    for ask in (samples.list_sampled_corpora, lambda study: samples.count_misaligned(study, "mine", 0.2)):
        with pytest.raises(MissingTable, match="python -m precompute index --study"):
            ask(study)


def test_hits_given_in_a_file_need_no_threshold(tmp_path):
    hits = [{"corpus": "mine", "concept": "rose", "modality": "image", "method": "annotated", "sample_id": 3, "score": 1.0}]
    sample = {"corpus": "mine", "sample_id": 3, "caption": "x", "image": None, "offset": None, "length": None}
    search = {"text": ["lemmatized"], "image": ["annotated"], "chosen": {"text": "lemmatized", "image": "annotated"}}
    study = write_study(
        tmp_path,
        count_rows("mine", "lemmatized", {"rose": 4}),
        manifest={"search": {"mine": search}},
        samples=[sample | {"width": None, "height": None}],
        hits=hits,
    )
    assert find(study, "rose", "image", "annotated") == [(3, False, 1.0)]
    assert samples.count_hits(study, "rose", "mine")["hits"].tolist() == [0, 1, 0]


# Samples that disagree


@pytest.mark.parametrize(
    ("threshold", "concept", "expected"),
    [
        (0.20, None, [1, 1, 1]),
        (0.26, None, [1, 2, 1]),
        (0.30, None, [1, 3, 0]),
        (0.26, "rose", [1, 2, 1]),
        (0.26, "lily", [1, 0, 0]),
        (0.20, "lily", [1, 0, 0]),
        (0.26, "unicorn", [0, 0, 0]),
    ],
)
def test_disagreements_are_counted_by_kind(study, threshold, concept, expected):
    counts = samples.count_misaligned(study, "mine", threshold, concept)
    assert list(zip(counts["kind"], counts["samples"], strict=True)) == list(
        zip(["conflicting", "text-only", "image-only"], expected, strict=True)
    )
    for kind, count in zip(counts["kind"], counts["samples"], strict=True):
        assert len(samples.find_misaligned(study, "mine", threshold, kind, concept=concept)) == count


@pytest.mark.parametrize(
    ("threshold", "kind", "near_boundary", "expected"),
    [
        (0.20, "conflicting", False, [FAR]),  # only now is its lily seen
        (0.23, "conflicting", False, [2, FAR]),  # best 0.33, 0.24
        (0.23, "conflicting", True, [FAR, 2]),  # 0.24 is 0.01 away, and the agreed 0.21 of sample 2 is 0.02 away
        (0.26, "conflicting", False, [2]),
        (0.26, "text-only", False, [4, FAR]),
        (0.26, "text-only", True, [FAR, 4]),  # sample 4 has no score at all
        (0.26, "image-only", False, [3]),
        (0.30, "text-only", False, [1, 4, FAR]),  # 0.26 agreed no longer counts, nor does it as a conflict
        (0.30, "image-only", False, []),
    ],
)
def test_disagreeing_samples_and_their_order(study, threshold, kind, near_boundary, expected):
    found = samples.find_misaligned(study, "mine", threshold, kind, near_boundary=near_boundary)
    assert found["sample_id"].tolist() == expected


def test_disagreeing_sample_tells_its_concepts_and_scores(study):
    row = next(samples.find_misaligned(study, "mine", 0.26, "conflicting").itertuples(index=False))
    assert (row.caption, row.text_concepts, row.image_concepts) == ("a lily", ["lily"], ["rose"])
    assert [round(score, 2) for score in row.image_scores] == [0.33]
    assert (round(row.best, 2), round(row.agreed, 2), row.image) == (0.33, 0.21, "shards/0000.tar")


def test_pages_of_disagreeing_samples_follow_each_other(study):
    first, second = (
        samples.find_misaligned(study, "mine", 0.30, "text-only", limit=2, offset=offset)["sample_id"].tolist()
        for offset in (0, 2)
    )
    assert (first, second) == ([1, 4], [FAR])


@pytest.mark.parametrize("threshold", [0.19, 0.31])
def test_threshold_that_was_not_counted_is_refused(study, threshold):
    with pytest.raises(EmptySelection) as error:
        samples.count_misaligned(study, "mine", threshold)
    assert str(error.value) == f"The samples of 'mine' were compared at thresholds from 0.2 to 0.3, not {threshold}."


def test_threshold_from_a_slider_may_be_off_by_rounding(study):
    assert samples.count_misaligned(study, "mine", 0.1 + 0.2)["samples"].tolist() == [1, 3, 0]


# Image bytes


def test_image_is_cut_out_of_its_shard(study):
    found = samples.find_hits(study, "rose", "mine", "image", text_method="lemmatized", image_method="openclip@0.26")
    for row in found.itertuples(index=False):
        image = decode(read_image_bytes(study.folder, row.image, row.offset, row.length))
        expected = Image.new("RGB", (1, 1), COLORS[row.sample_id]).getpixel((0, 0))
        assert np.abs(np.subtract(image.getpixel((5, 5)), expected)).max() <= 3


def test_plain_file_is_read_whole_by_a_relative_or_an_absolute_path(study):
    content = (study.folder / "far.png").read_bytes()
    assert read_image_bytes(study.folder, "far.png") == content
    assert read_image_bytes(Path("elsewhere"), str(study.folder / "far.png")) == content


def test_missing_places_of_a_frame_mean_a_plain_file(study):
    assert read_image_bytes(study.folder, "far.png", float("nan"), None)[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("image", "offset", "length", "message"),
    [
        (None, None, None, r"This sample has no image\."),
        (float("nan"), None, None, r"This sample has no image\."),
        ("", None, None, r"This sample has no image\."),
        ("https://example.com/a.jpg", None, None, r"lies at https://example.com/a.jpg: only files are read"),
        ("s3://bucket/0.tar", 0, 5, "only files are read"),
        ("gone.tar", 0, 5, r"The image file is missing: gone.tar\."),
        ("shards", None, None, r"The image file is missing: shards\."),
        ("ten", 8, 3, r"The image ends at byte 11 of ten, which has 10\."),
        ("ten", 99, 3, r"The image ends at byte 102 of ten, which has 10\."),
        ("ten", 0, 2**40, r"The image ends at byte 1,099,511,627,776 of ten"),
        ("ten", -1, 3, "No place in a file: 3 bytes from -1 on in ten"),
        ("ten", 3, -1, "No place in a file"),
        ("ten", 3, 0, "No place in a file"),
        ("ten", 3, None, "No place in a file: None bytes from 3 on"),
        ("ten", None, 3, "No place in a file"),
        ("a\0b", None, None, "The image file "),
        ("x" * 5000, None, None, "The image file "),
    ],
)
def test_image_that_cannot_be_read_says_why(tmp_path, image, offset, length, message):
    (tmp_path / "shards").mkdir()
    (tmp_path / "ten").write_bytes(b"0123456789")
    with pytest.raises(ImageError, match=message):
        read_image_bytes(tmp_path, image, offset, length)


def test_file_larger_than_the_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "IMAGE_BYTES", 9)
    (tmp_path / "ten").write_bytes(b"0123456789")
    with pytest.raises(ImageError, match=r"The image in ten has 10 bytes; at most 9 are read\."):
        read_image_bytes(tmp_path, "ten")
    assert read_image_bytes(tmp_path, "ten", 1, 9) == b"123456789"


# Thumbnails


@pytest.mark.parametrize(
    ("size", "expected"),
    [((40, 20), (64, 32)), ((20, 40), (32, 64)), ((640, 640), (64, 64)), ((900, 1), (64, 1)), ((1, 1), (64, 64))],
)
def test_longer_side_is_the_one_asked_for(size, expected):
    image = decode(make_thumbnail(encode(Image.new("RGB", size, "red"), "PNG"), 64))
    assert (image.size, image.format, image.mode) == (expected, "JPEG", "RGB")


def test_image_is_turned_as_the_camera_was_held():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right: what was left is then above
    image = decode(make_thumbnail(encode(halves("red", "blue"), exif=exif), 64))
    assert image.size == (32, 64)
    assert image.getpixel((16, 8))[0] > 200
    assert image.getpixel((16, 56))[2] > 200


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1"])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_every_kind_of_image_becomes_rgb(mode, form):
    if (mode, form) in {("CMYK", "PNG"), ("RGBA", "JPEG"), ("LA", "JPEG"), ("P", "JPEG"), ("CMYK", "GIF")}:
        return
    image = decode(make_thumbnail(encode(halves("white", "black").convert(mode), form), 64))
    assert (image.mode, image.size) == ("RGB", (64, 32))
    assert min(image.getpixel((8, 16))) > 240
    assert max(image.getpixel((56, 16))) < 15


def test_what_is_transparent_is_white():
    image = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert min(decode(make_thumbnail(encode(image, "PNG"), 64)).getpixel((32, 32))) > 250


def test_sixteen_bits_a_pixel_keep_their_brightness():
    image = Image.fromarray(np.full((10, 10), 32_768, np.uint16))
    assert decode(make_thumbnail(encode(image, "PNG"), 64)).getpixel((32, 32)) == (128, 128, 128)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_image_that_is_cut_short_is_refused(form):
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), form)
    for length in (0, 10, len(content) // 2):
        with pytest.raises(ImageError, match="The image cannot be decoded"):
            make_thumbnail(content[:length])


@pytest.mark.parametrize(
    "content", [b"", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 40]
)
def test_what_is_no_image_is_refused(content):
    with pytest.raises(ImageError, match="The image cannot be decoded"):
        make_thumbnail(content)


def test_image_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(images, "IMAGE_PIXELS", 799)
    monkeypatch.setattr(images, "flatten", lambda image: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=r"The image has 40 x 20 pixels; at most 799 are decoded\."):
        make_thumbnail(encode(halves("red", "blue")))


def test_bomb_is_refused():
    header = bytearray(encode(Image.new("L", (8, 8)), "BMP"))
    header[18:26] = (60_000).to_bytes(4, "little") * 2  # its width and height
    with pytest.raises(ImageError, match="too many pixels"):
        make_thumbnail(bytes(header))


def rows_with_images(study: Study) -> list:
    found = samples.find_hits(study, "rose", "mine", "image", text_method="lemmatized", image_method="openclip@0.26")
    return list(found.itertuples(index=False))


def test_thumbnail_is_made_once(study, monkeypatch):
    thumbnails = Thumbnails(side=64)
    rows = rows_with_images(study)
    made = [thumbnails.get(study, row) for row in rows]
    assert [decode(content).size for content in made] == [(64, 48)] * 4
    assert len(set(made)) == 4  # one key for each place in the same shard
    assert thumbnails.shelf.held_bytes == sum(map(len, made))
    monkeypatch.setattr(images, "make_thumbnail", lambda *args: pytest.fail("made again"))
    assert [thumbnails.get(study, row) for row in rows] == made


def test_study_that_is_built_anew_has_new_thumbnails(tmp_path):
    study = build(tmp_path)
    thumbnails = Thumbnails()
    found = samples.find_hits(study, "lily", "mine", "image", text_method="lemmatized", image_method="openclip@0.20")
    row = next(found.itertuples(index=False))
    before = thumbnails.get(study, row)
    Image.new("RGB", (8, 4), "green").save(study.folder / row.image)
    anew = Study(study.folder, study.manifest | {"created": "2027-01-01T00:00:00+00:00"})
    assert thumbnails.get(study, row) == before != thumbnails.get(anew, row)


def test_thumbnails_stay_within_their_bytes_and_the_longest_unused_goes_first(study):
    rows = rows_with_images(study)[:3]
    sizes = [len(make_thumbnail(read_image_bytes(study.folder, row.image, row.offset, row.length))) for row in rows]
    thumbnails = Thumbnails(max_bytes=sum(sizes) - 1)
    for row in (rows[0], rows[1], rows[0], rows[2]):  # the second is the longest unused when the third comes
        thumbnails.get(study, row)
    assert thumbnails.shelf.held_bytes == sizes[0] + sizes[2]
    assert [offset for (_, _, offset, _), _ in thumbnails.shelf.held] == [rows[0].offset, rows[2].offset]


def test_thumbnail_larger_than_all_that_may_be_kept_is_given_and_not_kept(study):
    thumbnails = Thumbnails(max_bytes=10)
    assert decode(thumbnails.get(study, rows_with_images(study)[0])).size == (192, 144)
    assert thumbnails.shelf.held_bytes == 0


def test_sample_without_an_image_says_so_each_time(study):
    found = samples.find_hits(study, "rose", "mine", "text", text_method="lemmatized", image_method="openclip@0.26")
    without = next(row for row in found.itertuples(index=False) if row.sample_id == 4)
    thumbnails = Thumbnails()
    for _ in range(2):
        with pytest.raises(ImageError, match="no image"):
            thumbnails.get(study, without)
    assert thumbnails.shelf.held_bytes == 0


def test_many_threads_get_the_thumbnails_of_one(study):
    rows = rows_with_images(study)
    expected = [Thumbnails().get(study, row) for row in rows] * 20
    thumbnails = Thumbnails(max_bytes=sum(map(len, expected[:3])))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda row: thumbnails.get(study, row), rows * 20)) == expected
    assert thumbnails.shelf.held_bytes == sum(size for _, size in thumbnails.shelf.held) <= thumbnails.shelf.max_bytes


def test_disagreements_are_swept_over_the_counted_thresholds(study):
    swept = samples.sweep_misaligned(study, "mine")
    assert swept.pivot(index="threshold", columns="kind", values="samples").reset_index().values.tolist() == [
        [0.2, 1, 1, 1],  # threshold, conflicting, image-only, text-only
        [0.26, 1, 1, 2],
        [0.3, 1, 0, 3],
    ]


def test_threshold_is_compared_as_scores_are_stored():
    assert samples.as_stored(0.26) == float(np.float32(0.26)) != 0.26
