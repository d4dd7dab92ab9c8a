"""A labelled batch of images: how often a model is right, on frequent and on rare concepts, and what it takes them for.

Images come as files or in zips, which are read in memory and within limits; labels come from a CSV, from folders or from
file names. What cannot be used is listed with its reason.
"""

import csv
import io
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image

from backend.errors import EmptySelection, ImageError, SourceError
from backend.models.classifiers import Classifier
from backend.models.encode import Model
from backend.probe.answer import probe_features, rank_candidate, share_above
from backend.probe.candidates import Candidates
from backend.probe.facts import Facts
from backend.probe.uploads import UPLOAD_BYTES, list_endings, open_upload
from backend.progress import Progress
from backend.testset import decode_upload
from backend.words import canonical

MAX_IMAGES = 2_000
MAX_MEMBERS = 10_000  # of a zip, with folders and what is no image
BATCH_BYTES = 256 * 2**20  # of all images of a batch, unpacked
ANSWERS_AT_ONCE = 256  # an answer over 50,000 candidates takes 1 MB
SOURCES = ("csv", "folder", "name")  # of labels; all are tried in this order
UNREADABLE = "cannot be unpacked"
ENCRYPTED = "is encrypted"
OUTSIDE = "its name leads out of the archive"
NO_IMAGE = "no image by its name"
NO_LABEL = "no label that is a candidate"

_FILE_HEADINGS = ("file", "filename", "image", "path")
_LABEL_HEADINGS = ("label", "class", "concept", "name")
_LAST_NUMBER = re.compile(r"[\s_.(#-]*\d+\)?$")  # of a file's name: "rose_012", "rose (3)"
_FIRST_NUMBER = re.compile(r"^\d+[\s_.-]+")
_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, eq=False)
class Item:
    """An image of a batch: its file's name and bytes, and the number of the candidate that its label names."""

    file: str
    content: bytes
    number: int


@dataclass(frozen=True, eq=False)
class Batch:
    """The labelled images of files; `refused` has file and reason of all others; `labels_from`: source -> images.

    read = len(items) + len(refused).
    """

    items: tuple[Item, ...]
    refused: pd.DataFrame
    labels_from: dict[str, int]

    @property
    def read(self) -> int:
        """The files that were handed in, those in zips included."""
        return len(self.items) + len(self.refused)


@dataclass(frozen=True, eq=False)
class BatchReport:
    """What a model makes of a batch.

    rows: file, label, predicted, right, rank (of the label), probability (% of the label), count, predicted_count (in
    `corpus`), more_frequent (null where right, or not counted) · accuracy: % of the images · bins: `bin_accuracy` ·
    confusions: label, predicted, images, count, predicted_count, the most frequent confusion first · refused: file, reason ·
    share: % of the counted mistakes that go to a more frequent concept, of `mistakes`; chance: % of the other candidates that
    are more frequent, on average over the same mistakes. nan without mistakes.
    """

    rows: pd.DataFrame
    corpus: str
    accuracy: float
    bins: pd.DataFrame
    confusions: pd.DataFrame
    refused: pd.DataFrame
    share: float
    chance: float
    mistakes: int

    @property
    def sentence(self) -> str:
        """The finding on mistakes in words, with its numbers."""
        if not self.mistakes:
            return f"No mistake between concepts that {self.corpus} counts."
        return (
            f"Of {self.mistakes:,} mistakes, {self.share:.0f}% go to a concept that is more frequent in {self.corpus} than the "
            f"true one; were mistakes spread evenly over the other candidates, it would be {self.chance:.0f}%."
        )


def read_batch(
    files: Iterable[tuple[str, bytes]], candidates: Candidates, *, labels: str | None = None, table: bytes | None = None
) -> Batch:
    """The labelled images of files and zips (name, bytes).

    labels: "csv" (`table`, or a .csv among the files, with columns file and label), "folder" (the nearest folder that names
    a candidate), "name" (the file's name without numbers around it), or None for the first of these that names a candidate.
    Raises SourceError where a zip or the table cannot be read, or where there is too much.
    """
    refused: list[tuple[str, str]] = []
    found: dict[str, bytes] = {}
    total = 0
    for name, content, fault in _unpack(files):
        ending = PurePosixPath(name).suffix.lower().lstrip(".")
        if ending == "csv" and table is None and not fault:
            table = content
        elif fault or ending not in list_endings():
            refused.append((name, fault or NO_IMAGE))
        else:
            found[_make_unique(name, found)] = content
            total += len(content)
            if len(found) > MAX_IMAGES or total > BATCH_BYTES:
                raise SourceError(
                    f"Too much for one batch: at most {MAX_IMAGES:,} images and {BATCH_BYTES // 2**20} MB, unpacked, are taken."
                )
    if labels == "csv" and table is None:
        raise SourceError("No CSV of labels. Hand one in, with the columns file and label.")
    known = {canonical(name): number for number, name in reversed(list(enumerate(candidates.names)))}
    in_table = _read_labels(table) if table is not None and labels in (None, "csv") else {}
    items, labels_from = [], dict.fromkeys(SOURCES, 0)
    for name, content in found.items():
        named = _find_label(name, known, in_table, SOURCES if labels is None else (labels,))
        if named is None:
            refused.append((name, NO_LABEL))
        else:
            source, number = named
            labels_from[source] += 1
            items.append(Item(name, content, number))
    return Batch(tuple(items), pd.DataFrame(refused, columns=["file", "reason"]), labels_from)


def score_batch(
    model: Model, classifier: Classifier, facts: Facts, batch: Batch, corpus: str, say: Progress | None = None
) -> BatchReport:
    """The model's answers on a batch, held against its labels and against the counts of a corpus.

    Raises EmptySelection where no image of it can be decoded.
    """
    refused: list[tuple[str, str]] = []
    decoded: list[Item] = []

    def draw_images() -> Iterator[Image.Image]:
        for done, item in enumerate(batch.items, start=1):
            try:
                image = open_upload(item.content).image
            except ImageError as error:
                refused.append((item.file, str(error)))
            else:
                decoded.append(item)
                yield image
            if say:
                say(done / len(batch.items))

    features = model.encode_images(draw_images())
    everything = pd.concat([batch.refused, pd.DataFrame(refused, columns=["file", "reason"])], ignore_index=True)
    if not decoded:
        raise EmptySelection(f"None of the {batch.read:,} files is an image with a label.{_tell_first(everything)}")
    counts = facts.list_counts(corpus)
    rows = _tabulate(model, classifier, facts.rows["name"], counts, features, decoded)
    mistakes = rows[rows["more_frequent"].notna()]
    chances = [share_above(counts, number) for number in mistakes["number"]]
    confusions = rows[~rows["right"]].groupby(["label", "predicted"], sort=False, dropna=False)
    return BatchReport(
        rows=rows.drop(columns="number"),
        corpus=corpus,
        accuracy=float(100.0 * rows["right"].mean()),
        bins=bin_accuracy(rows["count"], rows["right"]),
        confusions=confusions.agg(
            images=("file", "size"), count=("count", "first"), predicted_count=("predicted_count", "first")
        )
        .reset_index()
        .sort_values("images", ascending=False, kind="stable", ignore_index=True),
        refused=everything,
        share=float(100.0 * mistakes["more_frequent"].astype(float).mean()) if len(mistakes) else float("nan"),
        chance=float(np.mean(chances)) if chances else float("nan"),
        mistakes=len(mistakes),
    )


def bin_accuracy(counts: pd.Series, right: pd.Series) -> pd.DataFrame:
    """bin, low, high (both counts, inclusive), images, accuracy (%): by tenfold steps of frequency, the rarest first.

    Zero has a bin of its own; images whose concept is not counted have the last (null low and high).

    >>> bin_accuracy(pd.Series([0, 7, 12], dtype="Int64"), pd.Series([False, True, True]))["bin"].tolist()
    ['0', '1 to 9', '10 to 99']
    """
    steps = [-1 if pd.isna(count) else len(str(int(count))) if count else 0 for count in counts]
    table = pd.DataFrame({"step": steps, "right": np.asarray(right, float)})
    grouped = table.groupby("step")["right"].agg(images="size", accuracy="mean").reset_index()
    grouped = pd.concat([grouped[grouped["step"] >= 0], grouped[grouped["step"] < 0]], ignore_index=True)
    low = [pd.NA if step < 0 else 10 ** (step - 1) if step else 0 for step in grouped["step"]]
    high = [pd.NA if step < 0 else 10**step - 1 for step in grouped["step"]]
    names = [
        "not counted" if pd.isna(one) else f"{one:,} to {two:,}" if two else "0" for one, two in zip(low, high, strict=True)
    ]
    spans = pd.DataFrame({"bin": names, "low": pd.array(low, "Int64"), "high": pd.array(high, "Int64")})
    return spans.assign(images=grouped["images"], accuracy=100.0 * grouped["accuracy"])


def _tabulate(
    model: Model, classifier: Classifier, names: pd.Series, counts: pd.Series, features: np.ndarray, items: Sequence[Item]
) -> pd.DataFrame:
    numbers = np.array([item.number for item in items])
    places = []
    for start in range(0, len(items), ANSWERS_AT_ONCE):
        answers = probe_features(model, classifier, features[start : start + ANSWERS_AT_ONCE])
        for answer, number in zip(answers, numbers[start:], strict=False):
            places.append((answer.order[0], rank_candidate(answer, number), 100.0 * answer.probabilities[number]))
    predicted, ranks, probabilities = (np.array(column) for column in zip(*places, strict=True))
    rows = pd.DataFrame(
        {
            "file": [item.file for item in items],
            "number": numbers,
            "label": names.to_numpy()[numbers],
            "predicted": names.to_numpy()[predicted],
            "right": predicted == numbers,
            "rank": ranks,
            "probability": probabilities,
            "count": counts.iloc[numbers].array,
            "predicted_count": counts.iloc[predicted].array,
        }
    )
    more = (rows["predicted_count"] > rows["count"]).astype("boolean")
    return rows.assign(more_frequent=more.mask(rows["right"] | rows["count"].isna() | rows["predicted_count"].isna()))


def _unpack(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes, str]]:
    """(name, bytes, fault or "") of every file, and of every file in a zip."""
    for name, content in files:
        if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield from _read_zip(name, content)
        else:
            yield name, content, "" if len(content) <= UPLOAD_BYTES else _tell_too_large(len(content))


def _read_zip(name: str, content: bytes) -> Iterator[tuple[str, bytes, str]]:
    """The files in a zip. No member is unpacked further than the size that it claims, and that counts against the limits."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _ZIP_FAULTS as error:
        raise SourceError(f"{name} is no zip that can be read: {error}") from error
    with archive:
        members = [member for member in archive.infolist() if not member.filename.endswith("/")]
        if len(members) > MAX_MEMBERS:
            raise SourceError(f"{name} holds {len(members):,} files; at most {MAX_MEMBERS:,} are taken.")
        left = BATCH_BYTES
        for member in members:
            path = PurePosixPath(member.filename.replace("\\", "/"))
            if not path.name or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                yield path.name or name, b"", OUTSIDE
            elif member.flag_bits & 1:
                yield str(path), b"", ENCRYPTED
            elif member.file_size > UPLOAD_BYTES:
                yield str(path), b"", _tell_too_large(member.file_size)
            elif path.suffix.lower().lstrip(".") not in (*list_endings(), "csv") or member.compress_type not in _PACKINGS:
                yield str(path), b"", NO_IMAGE if member.compress_type in _PACKINGS else UNREADABLE
            else:
                left -= member.file_size  # what it claims: no more is unpacked of it, and a broken one costs the same time
                if left < 0:
                    raise SourceError(f"{name} holds more than {BATCH_BYTES // 2**20} MB, unpacked.")
                yield str(path), *_unpack_member(archive, member)


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[bytes, str]:
    try:
        with archive.open(member) as stream:
            content = stream.read(UPLOAD_BYTES + 1)
    except _ZIP_FAULTS:
        return b"", UNREADABLE
    return (content, "") if len(content) <= UPLOAD_BYTES else (b"", _tell_too_large(len(content)))


def _read_labels(table: bytes) -> dict[str, str]:
    """file -> label of a CSV with these two columns under their headings; a file counts by its path and by its name."""
    try:
        rows = list(csv.DictReader(io.StringIO(decode_upload(table)), skipinitialspace=True))
    except csv.Error as error:
        raise SourceError(f"The CSV of labels cannot be read: {error}") from error
    headings = [name for name in (rows[0] if rows else {}) if name]
    named = {heading.strip().lower(): heading for heading in headings}
    file = next((named[one] for one in _FILE_HEADINGS if one in named), None)
    label = next((named[one] for one in _LABEL_HEADINGS if one in named), None)
    if file is None or label is None:
        raise SourceError(f"The CSV of labels needs the columns file and label. It has: {', '.join(headings) or 'no rows'}.")
    labels: dict[str, str] = {}
    for row in rows:
        path, text = _compose((row[file] or "").strip().replace("\\", "/")), (row[label] or "").strip()
        labels[path] = text
        labels.setdefault(PurePosixPath(path).name, text)
    return labels


def _compose(path: str) -> str:
    """One spelling of a path, of the two that Unicode has for accents: archives of a Mac have the other one than tables."""
    return unicodedata.normalize("NFC", path)


def _find_label(file: str, known: dict[str, int], in_table: dict[str, str], sources: Sequence[str]) -> tuple[str, int] | None:
    """Where the label of a file was found, and the number of the candidate that it names.

    What the table says of a file decides: where that is no candidate, its folder and name are not asked.
    """
    path = PurePosixPath(file)
    texts = {
        "csv": [in_table[key] for key in (_compose(file), _compose(path.name)) if key in in_table],
        "folder": list(reversed(path.parent.parts)),
        "name": _vary_stem(path.stem),
    }
    for source in ("csv",) if texts["csv"] else sources:
        for text in texts[source]:
            if (number := known.get(canonical(text))) is not None:
                return source, number
    return None


def _vary_stem(stem: str) -> list[str]:
    """What a file's name may mean to say, the whole of it first: "01_sea-rose_2" may be "sea-rose" or "sea rose"."""
    shorter = [stem, _LAST_NUMBER.sub("", stem), _FIRST_NUMBER.sub("", stem)]
    shorter.append(_FIRST_NUMBER.sub("", shorter[1]))
    return [*shorter, *(text.replace("-", " ") for text in shorter)]


def _make_unique(name: str, taken: dict[str, bytes]) -> str:
    """A name that is not taken yet: two folders' files may be called the same when they are handed in one by one."""
    path, number = PurePosixPath(name), 2
    while name in taken:
        name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        number += 1
    return name


def _tell_too_large(size: int) -> str:
    return f"has {size / 2**20:,.1f} MB; at most {UPLOAD_BYTES // 2**20} MB are taken"


def _tell_first(refused: pd.DataFrame) -> str:
    return f" The first: {refused['file'].iloc[0]}, {refused['reason'].iloc[0]}" if len(refused) else ""
