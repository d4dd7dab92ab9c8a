"""A labelled batch: labels found where they stand, zips opened safely, accuracy the same as the evaluation's, nothing lost."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backend.errors import EmptySelection, SourceError, TailscopeError
from backend.images import read_image_bytes
from backend.models.catalogue import MODELS
from backend.models.classifiers import Classifier, ClassifierCache
from backend.models.loading import load_model
from backend.models.prompts import spell_name
from backend.probe import batch as batches
from backend.probe import unpack
from backend.probe.batch import bin_accuracy, score_batch
from backend.probe.candidates import Candidates
from backend.probe.facts import Facts
from backend.probe.labelled import Batch, Item, read_batch
from precompute.evaluate.classification import score_prompts
from precompute.evaluate.features import encode_places
from precompute.evaluate.tasks import read_task
from precompute.ledger import Ledger
from precompute.synthetic.corpora import plan_portraits, write_shard
from precompute.synthetic.pictures import Studio
from precompute.synthetic.species import SEED, draw_species
from tests.hostile_images import broken_files, save
from tests.tiny_clip import draw_pictures, write_model

NAMES = ("sea rose", "zib", "Boeing 737", "ant")
CANDIDATES = Candidates("typed", NAMES, tuple(name.lower() for name in NAMES))
NONE = pd.DataFrame(columns=["file", "reason"])
PICTURE = save(draw_pictures(1)[0], "PNG")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(str(write_model(tmp_path_factory.mktemp("models") / "tiny")))


def make_facts(counts: list[int | None], names: tuple[str, ...] = NAMES) -> Facts:
    rows = pd.DataFrame({"name": names, "concept": names})
    held = pd.DataFrame({"corpus": "web", "concept": names, "count": counts}).dropna().astype({"count": int})
    return Facts(rows, held, {"web": "The Web"}, None, None, "lemmatized", "simple")


def make_zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def find_labels(files: list[str], **options) -> dict[str, str]:
    read = read_batch([(name, PICTURE) for name in files], CANDIDATES, **options)
    assert read.read == len(files)
    return {item.file: NAMES[item.number] for item in read.items}


def reasons(read: Batch) -> dict[str, str]:
    return dict(zip(read.refused["file"], read.refused["reason"], strict=True))


class FixedModel:
    """Hands out features that the test says, one a picture."""

    temperature = 0.01

    def __init__(self, features: list[list[float]]):
        self.features = np.array(features, np.float32)

    def encode_images(self, images) -> np.ndarray:
        return self.features[: len(list(images))]


@pytest.mark.parametrize(
    ("file", "label"),
    [
        ("zib.png", "zib"),
        ("ZIB_012.png", "zib"),
        ("zib (3).jpg", "zib"),
        ("0007_sea_rose.png", "sea rose"),
        ("sea-rose-2.webp", "sea rose"),
        ("Boeing_737.png", "Boeing 737"),
        ("boeing 737 (12).png", "Boeing 737"),
        ("sea rose/1.png", "sea rose"),
        ("photos/Sea_Rose/zib.png", "sea rose"),
    ],
)
def test_label_stands_in_a_folder_or_in_the_name(file, label):
    assert find_labels([file]) == {file: label}


@pytest.mark.parametrize("file", ["rose.png", "IMG_2024.png", "antelope.png", "zibs.png", "12.png"])
def test_name_that_is_no_candidate_is_booked_and_never_guessed(file):
    read = read_batch([(file, PICTURE)], CANDIDATES)
    assert (len(read.items), reasons(read)) == (0, {file: "no label that is a candidate"})


@pytest.mark.parametrize("written", ["jalape\u00f1o", "jalapen\u0303o"])
@pytest.mark.parametrize("stored", ["jalape\u00f1o", "jalapen\u0303o"])
def test_both_forms_of_unicode_are_one_name(written, stored):
    candidates = Candidates("typed", (written, "ant"), (None, None))
    for source, name in (("folder", f"{stored}/1.png"), ("name", f"{stored}_1.png")):
        read = read_batch([("a.zip", make_zip({name: PICTURE}))], candidates)
        assert ([item.number for item in read.items], read.labels_from[source]) == ([0], 1)
    table = f"file,label\n{written}/1.png,{stored}\n".encode()
    read = read_batch([("a.zip", make_zip({f"{stored}/1.png": PICTURE}))], candidates, labels="csv", table=table)
    assert [item.number for item in read.items] == [0]


def test_table_of_labels_decides():
    table = b"file,label\nzib.png,ant\nb/2.png,Sea_Rose\nant.png,nothing known\n"
    assert find_labels(["zib.png", "b/2.png", "ant.png"], table=table) == {"zib.png": "ant", "b/2.png": "sea rose"}


def test_table_comes_in_the_zip_as_well_and_counts_by_file_name():
    content = make_zip({"all/labels.csv": b"Image, Class\n7.png, zib\n", "all/7.png": PICTURE})
    read = read_batch([("batch.zip", content)], CANDIDATES)
    assert [(item.file, item.number) for item in read.items] == [("all/7.png", 1)]
    assert read.labels_from == {"csv": 1, "folder": 0, "name": 0}


@pytest.mark.parametrize(
    ("row", "file"),
    [
        ("images\\\\1.png", "images/1.png"),
        ("./images/1.PNG", "images/1.png"),
        ("a%20b.png", "a b.png"),
        ("/pictures/photos/1.png", "photos/1.png"),
        ("1.png", "deep/down/1.png"),
        ("jalapen\u0303o.png", "jalape\u00f1o.png"),
    ],
)
def test_table_names_a_file_whatever_system_wrote_its_path(row, file):
    assert find_labels([file], table=f"file,label\n{row},ant\n".encode()) == {file: "ant"}


@pytest.mark.parametrize(
    ("table", "files", "labels"),
    [
        ("a/1.png,ant\nb/1.png,zib\n", ["a/1.png", "b/1.png"], {"a/1.png": "ant", "b/1.png": "zib"}),
        ("x/a/1.png,ant\nx/b/1.png,zib\n", ["a/1.png", "b/1.png"], {"a/1.png": "ant", "b/1.png": "zib"}),
        ("a/1.png,ant\nb/1.png,zib\n", ["1.png"], {}),  # which of the two?
        ("a/1.png,ant\nb/1.png,ant\n", ["1.png"], {"1.png": "ant"}),  # either way
        ("1.png,ant\n", ["a/1.png", "b/1.png"], {}),
        ("1.png,ant\nb/1.png,zib\n", ["a/1.png", "b/1.png"], {"b/1.png": "zib"}),
        ("a/1.png,ant\n", ["1.png", "a/1.png"], {"a/1.png": "ant"}),
        ("x/a/1.png,ant\n", ["1.png", "a/1.png"], {"a/1.png": "ant"}),
    ],
)
def test_last_part_of_a_path_counts_only_where_it_is_unmistakable(table, files, labels):
    assert find_labels(files, table=f"file,label\n{table}".encode(), labels="csv") == labels


def test_file_that_the_table_cannot_tell_apart_says_so():
    read = read_batch([("a/1.png", PICTURE), ("b/1.png", PICTURE)], CANDIDATES, table=b"file,label\n1.png,ant\n")
    assert set(reasons(read).values()) == {"the table names several files so, and gives no path that tells them apart"}


def test_rows_and_tables_that_play_no_part_stand_in_the_books():
    files = [("zib.png", PICTURE), ("one.csv", b"file,label\nzib.png,ant\ngone.png,ant\n,zib\n"), ("two.csv", b"file,label\n")]
    read = read_batch(files, CANDIDATES)
    assert reasons(read) == {"two.csv": "a second table of labels"}
    assert read.unused_rows.to_numpy().tolist() == [[name, "names no file of this batch"] for name in ("gone.png", "(empty)")]
    assert reasons(read_batch(files[:2], CANDIDATES, labels="name")) == {"one.csv": "labels were not to come from a table"}


@pytest.mark.parametrize(
    "name", ["__MACOSX/zib.png", "a/.DS_Store", "Thumbs.db", "zib/desktop.ini", "zib/._1.png", "__macosx/x/._zib.jpg"]
)
def test_litter_of_an_operating_system_is_left_out_under_its_reason(name):
    for files in ([("batch.zip", make_zip({name: PICTURE, "ant.png": PICTURE}))], [(name, PICTURE), ("ant.png", PICTURE)]):
        read = read_batch(files, CANDIDATES)
        assert (read.read, reasons(read)) == (2, {name: "hidden file, or litter of an operating system"})


@pytest.mark.parametrize("ending", ["bmp", "gif", "jfif", "tif", "TIFF", "avif", "heic", "webp", "JPE"])
def test_every_kind_that_uploads_take_is_an_image_by_its_name(ending):
    content = make_zip({f"zib.{ending}": PICTURE})
    assert [item.file for item in read_batch([("batch.zip", content)], CANDIDATES).items] == [f"zib.{ending}"]


@pytest.mark.parametrize("labels", ["csv", "folder", "name"])
def test_one_source_of_labels_can_be_asked_for(labels):
    found = find_labels(["ant/zib.png"], labels=labels, table=b"file,label\nzib.png,sea rose\n")
    assert found == {"ant/zib.png": {"csv": "sea rose", "folder": "ant", "name": "zib"}[labels]}


@pytest.mark.parametrize("table", [b"a,b\n1,2\n", b"", b"file\nzib.png\n"])
def test_table_without_its_columns_says_which_it_has(table):
    with pytest.raises(SourceError, match="needs the columns file and label"):
        read_batch([("zib.png", PICTURE)], CANDIDATES, table=table)


def test_table_that_is_no_text_is_refused():
    with pytest.raises(TailscopeError, match="not UTF-8"):
        read_batch([("zib.png", PICTURE)], CANDIDATES, table=b"\xff\xfe\x00")


def test_missing_table_is_told():
    with pytest.raises(SourceError, match="No CSV of labels"):
        read_batch([("zib.png", PICTURE)], CANDIDATES, labels="csv")


def test_everything_in_a_zip_is_an_item_or_has_a_reason():
    members = {"zib/1.png": PICTURE, "zib/notes.txt": b"x", "__MACOSX/zib/._1.png": b"x", "inner.zip": make_zip({"a": b"b"})}
    read = read_batch([("batch.zip", make_zip(members)), ("ant.png", PICTURE)], CANDIDATES)
    assert [item.file for item in read.items] == ["zib/1.png", "ant.png"]
    assert reasons(read) == {
        "zib/notes.txt": "no image by its name",
        "__MACOSX/zib/._1.png": "hidden file, or litter of an operating system",
        "inner.zip": "no image by its name",
    }
    assert read.read == 5


@pytest.mark.parametrize("name", ["../zib.png", "/zib.png", "a/../../zib.png", "C:\\zib.png", "..\\zib.png"])
def test_path_that_leads_out_is_refused(name):
    read = read_batch([("batch.zip", make_zip({name: PICTURE}))], CANDIDATES)
    assert (len(read.items), list(read.refused["reason"])) == (0, ["its name leads out of the archive"])


@pytest.mark.parametrize("name", ["", ".", "\x00zib.png"])
def test_member_without_a_name_is_refused(name):
    member = zipfile.ZipInfo("zib.png")
    member.filename = name
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(member, PICTURE)
    read = read_batch([("batch.zip", stream.getvalue())], CANDIDATES)
    assert reasons(read) == {"batch.zip": "its name leads out of the archive"}


def test_encrypted_member_is_refused():
    content = bytearray(make_zip({"zib.png": PICTURE}))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + place] |= 1
    assert reasons(read_batch([("batch.zip", bytes(content))], CANDIDATES)) == {"zib.png": "is encrypted"}


def test_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(unpack, "UPLOAD_BYTES", 1 << 20)
    bomb = make_zip({"zib.png": b"\x00" * (5 << 20)})
    assert reasons(read_batch([("bomb.zip", bomb)], CANDIDATES)) == {"zib.png": "has 5.0 MB; at most 1 MB are taken"}


def test_bomb_that_lies_about_its_size_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(unpack, "UPLOAD_BYTES", 1 << 20)
    bomb = bytearray(make_zip({"zib.png": b"\x00" * (5 << 20)}))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = bomb.index(signature) + place
        bomb[start : start + 4] = struct.pack("<I", 100)
    assert len(read_batch([("bomb.zip", bytes(bomb))], CANDIDATES).refused) == 1


def test_many_members_together_are_bounded(monkeypatch):
    monkeypatch.setattr(unpack, "BATCH_BYTES", 3 << 20)
    bomb = make_zip({f"zib {number}.png": b"\x00" * (1 << 20) for number in range(5)})
    with pytest.raises(SourceError, match="3 MB, unpacked"):
        read_batch([("bomb.zip", bomb)], CANDIDATES)


def test_broken_members_count_against_the_bound_by_what_they_claim(monkeypatch):
    bomb = make_zip({f"zib {number}.png": b"\x00" * (1 << 20) for number in range(5)})
    monkeypatch.setattr(unpack, "BATCH_BYTES", 3 << 20)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *arguments: (_ for _ in ()).throw(zipfile.BadZipFile))
    with pytest.raises(SourceError, match="3 MB, unpacked"):
        read_batch([("bomb.zip", bomb)], CANDIDATES)


def test_number_of_members_and_images_is_bounded(monkeypatch):
    members = {f"zib {number}.png": b"x" for number in range(6)}
    monkeypatch.setattr(unpack, "MAX_IMAGES", 5)
    with pytest.raises(SourceError, match="at most 5 images"):
        read_batch(list(members.items()), CANDIDATES)
    monkeypatch.setattr(unpack, "MAX_MEMBERS", 5)
    with pytest.raises(SourceError, match="holds 6 files; at most 5 are taken"):
        read_batch([("batch.zip", make_zip(members))], CANDIDATES)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_zip_that_is_cut_short_is_refused_whole(cut):
    content = make_zip({"zib.png": PICTURE})
    with pytest.raises(SourceError, match="batch.zip is no zip that can be read"):
        read_batch([("batch.zip", content[: int(cut * len(content))])], CANDIDATES)


def test_member_with_a_broken_checksum_cannot_be_unpacked():
    content = bytearray(make_zip({"zib.png": PICTURE}))
    content[60] ^= 255
    assert set(reasons(read_batch([("batch.zip", bytes(content))], CANDIDATES)).values()) == {"cannot be unpacked"}


def test_files_of_the_same_name_are_all_read():
    assert len(read_batch([("zib.png", PICTURE)] * 3, CANDIDATES).items) == 3


def test_accuracy_is_that_of_the_evaluation_on_the_same_images(model, tmp_path):
    pictures, numbers = draw_pictures(24), [number % 4 for number in range(24)]
    shown = enumerate(zip(pictures, numbers, strict=True))
    files = [(f"{NAMES[number]} {place}.png", save(picture, "PNG")) for place, (picture, number) in shown]
    read = read_batch(files, CANDIDATES)
    for prompts in ("class", "simple", "ensemble"):
        classifier = ClassifierCache(tmp_path).get(model, NAMES, prompts)
        report = score_batch(model, classifier, make_facts([1, 2, 3, 4]), read, "web")
        expected = score_prompts(model, [(model.encode_images(pictures), np.array(numbers))], NAMES, {prompts: prompts})[0][
            prompts
        ]
        assert report.accuracy == pytest.approx(expected.overall, abs=1e-9)
        by_label = report.rows.groupby("label")["right"].mean()
        np.testing.assert_allclose([100 * by_label[name] for name in NAMES], expected.values)


def test_accuracy_of_a_shipped_model_is_that_of_the_step_on_the_same_images(tmp_path):
    """Portraits of 30 species of the embedded study, among the names of all."""
    species = draw_species(SEED)
    write_shard(
        tmp_path / "0.tar", Studio(species[:30], SEED), "portraits", plan_portraits(species, range(30), 4), labelled=True
    )
    (tmp_path / "classnames.txt").write_text("".join(f"{one.name}\n" for one in species))
    shipped = load_model(str(MODELS / "zipf-20k"))
    task = read_task(tmp_path, Ledger())
    features, readable = encode_places(shipped, task.places, Ledger())
    assert len(readable) == len(task.places) == 120
    names = tuple(spell_name(label) for label in task.labels)
    shown = enumerate(zip(task.places, task.classes, strict=True))
    members = {
        f"{task.labels[label]}/{number}.jpg": read_image_bytes(Path(), *place, confined=False)
        for number, (place, label) in shown
    }
    read = read_batch([("species.zip", make_zip(members))], Candidates("species", names, names))
    for prompts in ("class", "ensemble"):
        classifier = ClassifierCache(tmp_path / "cache").get(shipped, names, prompts)
        report = score_batch(shipped, classifier, make_facts([1] * len(names), names), read, "web")
        expected = score_prompts(shipped, [(features, task.classes)], task.labels, {prompts: prompts})[0][prompts]
        assert report.accuracy == pytest.approx(expected.overall, abs=1e-9)
        by_label = 100 * report.rows.groupby("label")["right"].mean()
        assert by_label.to_dict() == pytest.approx(dict(zip(names, expected.values[:30], strict=False)))
        assert 10 < report.accuracy < 90


def test_answers_in_blocks_change_nothing(model, tmp_path, monkeypatch):
    files = [(f"{NAMES[number % 4]} {number}.png", save(picture, "PNG")) for number, picture in enumerate(draw_pictures(9))]
    read, classifier = read_batch(files, CANDIDATES), ClassifierCache(tmp_path).get(model, NAMES)
    whole = score_batch(model, classifier, make_facts([1, 2, 3, 4]), read, "web")
    monkeypatch.setattr(batches, "ANSWERS_AT_ONCE", 2)
    parts = score_batch(model, classifier, make_facts([1, 2, 3, 4]), read, "web")
    pd.testing.assert_frame_equal(whole.rows, parts.rows)


def test_mistakes_towards_frequent_concepts_are_counted_and_set_against_chance():
    features = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    read = Batch(tuple(Item(f"{place}.png", PICTURE, number) for place, number in enumerate([0, 0, 2, 1])), NONE, {}, NONE)
    classifier = Classifier(np.eye(4, dtype=np.float32), "k", "built", 0.0)
    report = score_batch(FixedModel(features), classifier, make_facts([5, 1, 50, None]), read, "web")
    assert report.accuracy == 25.0
    assert report.rows["predicted"].tolist() == ["sea rose", "Boeing 737", "zib", "Boeing 737"]
    assert report.rows["more_frequent"].tolist() == [pd.NA, True, False, True]
    # above sea rose (5) lies one of two, above Boeing 737 (50) none, above zib (1) both
    assert (report.mistakes, report.share, report.chance) == (3, pytest.approx(200 / 3), pytest.approx(50.0))
    assert "Of 3 mistakes, 67% go to a concept that is more frequent in The Web" in report.sentence
    assert report.bins[["bin", "images", "accuracy"]].to_numpy().tolist() == [
        ["1 to 9", 3, pytest.approx(100 / 3)],
        ["10 to 99", 1, 0],
    ]
    assert report.confusions["images"].tolist() == [1, 1, 1]


def test_no_mistakes_have_no_share():
    read = Batch((Item("a.png", PICTURE, 0),), NONE, {}, NONE)
    classifier = Classifier(np.eye(4, dtype=np.float32), "k", "built", 0.0)
    report = score_batch(FixedModel([[1, 0, 0, 0]]), classifier, make_facts([5, 1, 50, None]), read, "web")
    assert (report.accuracy, report.mistakes, np.isnan(report.share), len(report.confusions)) == (100.0, 0, True, 0)
    assert report.sentence == "No mistake between concepts that The Web counts."


def test_image_that_cannot_be_decoded_is_booked_with_its_reason(model, tmp_path):
    read = read_batch([("zib.png", PICTURE), ("ant.png", broken_files()["svg"]), ("x.png", PICTURE)], CANDIDATES)
    report = score_batch(model, ClassifierCache(tmp_path).get(model, NAMES), make_facts([1, 2, 3, 4]), read, "web")
    assert len(report.rows) + len(report.refused) == read.read == 3
    assert report.refused["file"].tolist() == ["x.png", "ant.png"]
    assert "SVG" in report.refused["reason"].iloc[1]


def test_books_of_a_batch_add_up_in_print(model, tmp_path):
    members = {"zib.png": PICTURE, "a.txt": b"", "b.txt": b"", "__MACOSX/._zib.png": b"", "what.png": PICTURE, "ant.png": b"x"}
    read = read_batch([("batch.zip", make_zip(members))], CANDIDATES)
    report = score_batch(model, ClassifierCache(tmp_path).get(model, NAMES), make_facts([1, 2, 3, 4]), read, "web")
    assert report.read == len(report.rows) + len(report.refused) == 6
    assert report.books.startswith(
        "6 files: 1 images with a label, 5 left out (2 × no image by its name; 1 × hidden file, or litter of an operating "
        "system; 1 × no label that is a candidate; 1 × The file is no whole image."
    )


def test_batch_without_a_single_image_says_why(model, tmp_path):
    read = read_batch([("zib.png", b"x")], CANDIDATES)
    with pytest.raises(
        EmptySelection, match="None of the 1 files is an image with a label. The first: zib.png, The file is no"
    ):
        score_batch(model, ClassifierCache(tmp_path).get(model, NAMES), make_facts([1, 2, 3, 4]), read, "web")


def test_bins_are_tenfold_steps_with_zero_and_uncounted_apart():
    counts = pd.Series([0, 1, 9, 10, 99, 100, None, 12345], dtype="Int64")
    table = bin_accuracy(counts, pd.Series([True, False] * 4))
    assert table["bin"].tolist() == ["0", "1 to 9", "10 to 99", "100 to 999", "10,000 to 99,999", "not counted"]
    assert table["images"].tolist() == [1, 2, 2, 1, 1, 1]
    assert table["accuracy"].tolist() == [100, 50, 50, 0, 0, 100]
