"""A study of one searched corpus, small enough to work out by hand: six samples, their hits and their images."""

import io
import tarfile
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

from backend.schema import TABLES, part_name, parts_path, table_path
from backend.study import Study
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


def disagreement_rows() -> list[dict]:
    """The rows of `disagreements` for `MISALIGNED`: of each sample one a concept, and one for all."""
    rows = []
    for sample_id, said, shown, scores, best, agreed in MISALIGNED:
        told = {"corpus": "mine", "sample_id": sample_id, "named": bool(said), "best": best, "agreed": agreed}
        scored = dict(zip(shown, scores, strict=True))
        rows.append(told | {"concept": "", "said": True, "score": best})
        rows += [told | {"concept": name, "said": name in said, "score": scored.get(name)} for name in sorted({*said, *shown})]
    return rows


def split_file(study: Study, table: str, sizes: Sequence[int], by: str | None = None) -> Study:
    """The study anew, once the one file of a table's corpus has been made several, of so many rows each, sorted by a column."""
    path, place = table_path(study.folder, table, "mine"), parts_path(study.folder, table, "mine")
    rows = pq.read_table(path)
    rows = rows.sort_by(by) if by else rows
    assert rows.num_rows == sum(sizes)
    path.unlink()
    place.mkdir()
    starts = accumulate(sizes, initial=0)
    for number, (start, size) in enumerate(zip(starts, sizes, strict=False)):
        pq.write_table(rows.slice(start, size), place / part_name(number), **TABLES[table].writing)
    return Study(study.folder)


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
        disagreements=disagreement_rows(),
    )
