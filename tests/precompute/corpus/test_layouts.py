"""Each layout that people have becomes samples: one small file of each."""

import gzip
import io
import json
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from precompute.corpus.preview import preview
from precompute.corpus.registry import find_corpus, find_shards, read_samples
from precompute.corpus.shard import AS_FOUND, Reading, ReadOptions
from tests.precompute.corpus.shard_files import picture, write_photos, write_tar


def load(*patterns, options: ReadOptions = AS_FOUND) -> list[tuple]:
    """Caption, image and key of every sample; the books balance."""
    reading, found = Reading(), []
    for shard in find_shards([str(pattern) for pattern in patterns], options):
        for sample in read_samples(shard, reading):
            found.append((sample.caption, sample.image and sample.image.columns()[0], sample.key))
    assert reading.samples.written == len(found)
    assert reading.samples.read == reading.samples.written + sum(reading.samples.dropped.values())
    return found


def texts(*patterns, options: ReadOptions = AS_FOUND) -> list[tuple]:
    """Caption and image of every sample."""
    return [sample[:2] for sample in load(*patterns, options=options)]


def layout(pattern, options: ReadOptions = AS_FOUND) -> tuple[str, dict]:
    """What a preview says of the first file: its words, and the column of each role."""
    kind = preview(find_shards([str(pattern)], options)).kinds[0]
    return kind.layout.words, {column.role: column.name for column in kind.layout.columns}


URL = "http://127.0.0.1/1.jpg"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("cc3m.tsv", f"a red rose\t{URL}\na fern\t{URL}?2\n", [("a red rose", URL), ("a fern", f"{URL}?2")]),
        ("cc12m.tsv", f"{URL}\ta red rose\n{URL}\ta fern\n", [("a red rose", URL), ("a fern", URL)]),
        ("openclip.csv", "filepath,title\nx/1.jpg,a rose\n", [("a rose", None)]),
        ("openclip.tsv", "filepath\ttitle\nx/1.jpg\ta rose\n", [("a rose", None)]),
        ("laion.csv", f"URL,TEXT,pwatermark\n{URL},a rose,0.1\n", [("a rose", URL)]),
        ("german.csv", "image;caption\n1.jpg;eine Rose, rot\n", [("eine Rose, rot", None)]),
        ("flickr30k.csv", "image_name| comment_number| comment\n1.jpg| 0| A rose , red .\n", [("A rose , red .", None)]),
        ("flickr8k.token.txt", "1.jpg#0\tA rose .\n1.jpg#1\tA red rose .\n", [("A rose .", None), ("A red rose .", None)]),
        ("mac.csv", "image,caption\r1.jpg,a rose\r2.jpg,a fern\r", [("a rose", None), ("a fern", None)]),
        ("captions.txt", "a rose\na fern, green\n\n", [("a rose", None), ("a fern, green", None)]),
        ("one.csv", "caption\na rose\n", [("a rose", None)]),
        ("marked.txt", "\ufeffa rose\n", [("a rose", None)]),
    ],
)
def test_tables_and_texts_as_they_circulate(tmp_path, name, content, expected):
    (tmp_path / name).write_text(content, newline="", encoding="utf-8")
    assert texts(tmp_path / name) == expected
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(content.encode()))
    assert texts(packed) == expected


def test_photo_of_an_openclip_csv_is_found(tmp_path):
    write_photos(tmp_path / "x", "1.jpg")
    (tmp_path / "a.csv").write_text("filepath,title\nx/1.jpg,a rose\n")
    assert texts(tmp_path / "a.csv") == [("a rose", "x/1.jpg")]


def test_columns_of_a_table_can_be_named_or_numbered(tmp_path):
    (tmp_path / "a.csv").write_text(f"where,words,alt\n{URL},a rose,short\n")
    assert texts(tmp_path / "a.csv", options=ReadOptions(caption="words", url="where")) == [("a rose", URL)]
    assert texts(tmp_path / "a.csv") == [("short", None)]  # by its name
    (tmp_path / "b.tsv").write_text(f"{URL}\ta rather long text about roses\ta fern\n")
    assert texts(tmp_path / "b.tsv", options=ReadOptions(caption="3")) == [("a fern", URL)]


JSON_ROWS = {
    "blip": ([{"image": "1.jpg", "caption": "a rose"}], [("a rose", None)]),
    "urls": ([{"url": URL, "caption": "a rose"}], [("a rose", URL)]),
    "llava": (
        [{"id": "1", "image": "1.jpg", "conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": "a rose"}]}],
        [("a rose", None)],
    ),
    "several": ([{"image": "1.jpg", "caption": ["a rose", "a red rose"]}], [("a rose", None), ("a red rose", None)]),
    "nested": ([{"json": {"caption": "a rose"}, "image": {"path": "1.jpg"}}], [("a rose", None)]),
}


@pytest.mark.parametrize("name", JSON_ROWS)
@pytest.mark.parametrize("form", ["jsonl", "json", "lines.json"])
def test_json_lines_and_lists(tmp_path, name, form):
    rows, expected = JSON_ROWS[name]
    rows, expected = rows * 3, expected * 3
    lines = "\n".join(map(json.dumps, rows))
    path = tmp_path / f"a.{form}"
    path.write_text(json.dumps(rows, indent=1) if form == "json" else lines)
    assert texts(path) == expected


def test_list_of_captions_alone_is_read(tmp_path):
    (tmp_path / "a.json").write_text('["a rose", "a fern"]')
    assert texts(tmp_path / "a.json") == [("a rose", None), ("a fern", None)]


@pytest.mark.parametrize("split", ["", "train"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_imagefolder_of_hugging_face(tmp_path, form, split):
    folder = write_photos(tmp_path / split / "sub", "1.jpg", "2.jpg").parent
    rows = [{"file_name": "sub/1.jpg", "text": "a rose"}, {"file_name": "sub/2.jpg", "text": "a fern"}]
    lines = [json.dumps(row) for row in rows] if form == "jsonl" else ["file_name,text", "sub/1.jpg,a rose", "sub/2.jpg,a fern"]
    (folder / f"metadata.{form}").write_text("\n".join(lines))
    assert texts(tmp_path) == [("a rose", "sub/1.jpg"), ("a fern", "sub/2.jpg")]


def test_parquet_of_laion_and_datacomp(tmp_path):
    table = pa.table({"SAMPLE_ID": [1, 2], "URL": [URL, URL], "TEXT": ["a rose", None], "HEIGHT": [3, 4]})
    pq.write_table(table, tmp_path / "laion.parquet")
    pq.write_table(pa.table({"uid": ["x"], "url": [URL], "text": ["a rose"]}), tmp_path / "datacomp.parquet")
    assert texts(tmp_path / "laion.parquet") == [("a rose", URL)]
    assert texts(tmp_path / "datacomp.parquet") == [("a rose", URL)]
    assert layout(tmp_path / "laion.parquet") == ("Parquet table of captions", {"caption": "TEXT", "url": "URL"})


def test_parquet_of_hugging_face_holds_its_images(tmp_path):
    images = [{"bytes": picture(size=(4, 3)), "path": "1.jpg"}, {"bytes": None, "path": "2.jpg"}]
    table = pa.table({"image": images, "text": [["a rose", "a red rose"], ["a fern"]]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet") == [
        ("a rose", "a.parquet#0,0", "1.jpg"),
        ("a red rose", "a.parquet#0,0", "1.jpg"),
    ]
    words, columns = layout(tmp_path / "a.parquet")
    assert (words, columns) == ("Parquet table with the images in it", {"caption": "text", "image": "image"})


def test_parquet_whose_images_are_paths_finds_the_photos(tmp_path):
    write_photos(tmp_path, "1.jpg")
    pq.write_table(pa.table({"image": [{"bytes": None, "path": "1.jpg"}], "text": ["a rose"]}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == [("a rose", "1.jpg")]


def test_parquet_with_the_caption_in_a_struct(tmp_path):
    table = pa.table({"jpg": [picture()], "json": [{"caption": "a rose", "width": 4}]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == [("a rose", "a.parquet#0,0")]


IMG2DATASET = [("000000.jpg", picture()), ("000000.json", b'{"caption": "a rose"}'), ("000000.txt", b"a rose")]


def write_img2dataset(folder, form: str) -> None:
    """The output of img2dataset: one shard, in one of its formats, with what it leaves beside it."""
    row = {"url": [URL], "key": ["000000"], "status": ["success"], "caption": ["a rose"]}
    if form == "webdataset":
        write_tar(folder / "00000.tar", IMG2DATASET)
    elif form == "files":
        (folder / "00000").mkdir()
        for name, content in IMG2DATASET:
            (folder / "00000" / name).write_bytes(content)
    else:
        row["jpg"] = [picture()]
    pq.write_table(pa.table(row), folder / "00000.parquet")
    (folder / "00000_stats.json").write_text('{"successes": 1, "count": 1}')


@pytest.mark.parametrize(
    ("form", "image", "unused"),
    [
        ("webdataset", "00000.tar", {"plays no part: .json": 1, "plays no part: .parquet": 1}),
        ("files", "00000/000000.jpg", {}),
        ("parquet", "00000.parquet#0,0", {"plays no part: .json": 1}),
    ],
)
def test_output_of_img2dataset_is_read_as_a_folder(tmp_path, form, image, unused):
    write_img2dataset(tmp_path, form)
    assert texts(tmp_path) == [("a rose", image)]
    assert find_corpus([str(tmp_path)]).unused == unused
    if form != "parquet":
        reading = Reading()
        for shard in find_shards([str(tmp_path)]):
            list(read_samples(shard, reading))
        assert reading.members.written == 2
        assert sum(reading.members.dropped.values()) == (1 if form == "webdataset" else 3)


def test_tar_with_captions_in_json(tmp_path):
    members = [("0.jpg", picture()), ("0.json", b'{"caption": "a rose", "re_caption": "a very red rose"}')]
    path = write_tar(tmp_path / "a.tar", members)
    assert texts(path) == [("a rose", "a.tar")]
    assert texts(path, options=ReadOptions(caption="re_caption")) == [("a very red rose", "a.tar")]
    (kind,) = preview(find_shards([str(path)])).kinds
    assert [column.name for column in kind.layout.columns] == [".json, caption"]
    assert kind.layout.notes == ("captions stand in re_caption too: --caption re_caption",)


def test_tar_without_captions_says_which_keys_its_json_has(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("0.jpg", picture()), ("0.json", b'{"width": 4, "sha": "x"}')])
    assert texts(path) == []
    (kind,) = preview(find_shards([str(path)])).kinds
    assert kind.layout.notes == (
        "no member is known to hold captions: the JSON has the keys width, sha. Name it: --caption KEY",
    )
    assert (kind.read, kind.dropped) == (1, {"no caption": 1})


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "JPG"])
def test_tar_with_images_of_every_ending(tmp_path, ending):
    path = write_tar(tmp_path / "a.tar", [(f"0.{ending}", picture()), ("0.txt", b"a rose")])
    assert texts(path) == [("a rose", "a.tar")]


def test_tar_whose_names_have_several_dots(tmp_path):
    members = [("d/v1.5.jpg", picture()), ("d/v1.5.txt", b"a rose"), ("d/v1.6.jpg", picture()), ("d/v1.6.txt", b"a fern")]
    members += [("d/v1.6.json", b"{}"), ("._v1.6.jpg", b"x")]
    path = write_tar(tmp_path / "a.tar", members)
    assert load(path) == [("a rose", "a.tar", "d/v1.5"), ("a fern", "a.tar", "d/v1.6")]


def test_tar_of_captions_alone(tmp_path):
    assert load(write_tar(tmp_path / "a.tar", [("0.txt", b"a rose"), ("1.txt", b" ")])) == [("a rose", None, "0")]


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar"])
def test_packed_tar_is_read(tmp_path, name):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for member, content in (("0.jpg", picture(size=(4, 3))), ("0.txt", b"a rose")):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (tmp_path / name).write_bytes(stream.getvalue())
    (shard,) = find_shards([str(tmp_path / name)])
    (sample,) = read_samples(shard, Reading())
    place = sample.image.below(shard.root)
    with open(place.path, "rb") as file:  # noqa: PTH123
        file.seek(place.offset)
        assert file.read(place.length) == picture(size=(4, 3))
    assert (sample.caption, sample.size) == ("a rose", (4, 3))


def test_loose_images_with_caption_files(tmp_path):
    write_photos(tmp_path / "sub", "1.jpg", "2.png", "3.jpg")
    (tmp_path / "sub" / "1.txt").write_text("a rose\n")
    (tmp_path / "sub" / "2.txt").write_text("")
    (tmp_path / "sub" / "4.txt").write_text("of no image")
    (tmp_path / "sub" / "notes.md").write_text("x")
    (shard,) = find_shards([str(tmp_path)])
    reading = Reading()
    (sample,) = read_samples(shard, reading)
    assert (sample.caption, sample.image.path, sample.key, sample.size) == ("a rose", "sub/1.jpg", "sub/1.jpg", (40, 30))
    assert dict(reading.samples.dropped) == {"no caption": 2, "no image": 1}
    assert reading.members.entry() == {"read": 7, "written": 6, "dropped": {"plays no part: .md": 1}}


def test_folder_of_images_alone_gives_samples_without_captions(tmp_path):
    for name in ("rose/1.jpg", "rose/2.bmp", "fern/3.gif", "fern/4.jfif", "fern/5.tif", "fern/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture())
    assert texts(tmp_path) == [("", f"fern/{name}") for name in ("3.gif", "4.jfif", "5.tif")] + [
        ("", "rose/1.jpg"),
        ("", "rose/2.bmp"),
    ]
    assert layout(tmp_path) == ("folder of images without captions", {})


@pytest.mark.parametrize("form", ["coco", "texts", "lists", "karpathy", "marked"])
def test_coco_and_its_relatives(tmp_path, form):
    images = [{"id": 1, "file_name": "1.jpg", "coco_url": URL}]
    content = {"images": images, "annotations": [{"image_id": 1, "caption": "a rose"}]}
    if form == "texts":
        content["annotations"][0]["image_id"] = "1"
    if form == "lists":
        content["annotations"][0]["caption"] = ["a rose"]
    if form == "karpathy":
        sentences = [{"raw": "a rose", "tokens": ["a", "rose"]}]
        content = {"images": [{"filepath": "val2014", "filename": "1.jpg", "sentences": sentences}], "dataset": "coco"}
    text = json.dumps(content)
    (tmp_path / "a.json").write_text(text, encoding="utf-8-sig" if form == "marked" else "utf-8")
    url = None if form == "karpathy" else URL
    assert texts(tmp_path / "a.json") == [("a rose", url)]
    write_photos(tmp_path / "images" / "val2014", "1.jpg")
    assert texts(tmp_path / "a.json") == [("a rose", "images/val2014/1.jpg")]


def test_folder_with_a_table_and_its_photos(shared_data):
    samples = texts(shared_data / "flickr8k-1000")
    assert len(samples) == 5000
    assert samples[0][1].startswith("images/")


def test_real_lists_of_captions_and_urls(shared_data):
    folder = shared_data / "text"
    alone = texts(folder / "multi30k.task2.train.1.en.gz") if False else []
    rows = texts(folder / "Validation_GCC-1.1.0-Validation.tsv.gz")
    web = texts(folder / "web_alt_text_10000.parquet")
    assert alone == []
    assert len(rows) == 15_833
    assert all(caption and url.startswith("http") for caption, url in rows)
    assert 9_000 < len(web) <= 10_000
