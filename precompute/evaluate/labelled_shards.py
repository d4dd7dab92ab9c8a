"""Reads labelled webdataset shards as CLIP benchmark has them: an image and a .cls or .json member for each key."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from backend.errors import SourceError
from backend.images import IMAGE_ENDINGS
from backend.words import canonical
from precompute.corpus.sample import NO_IMAGE, OTHER
from precompute.corpus.tar_members import is_plain, read_members
from precompute.corpus.tar_samples import SECOND_IMAGE
from precompute.evaluate.prepared import Place
from precompute.ledger import Ledger

MAX_LABEL = 1 << 16  # bytes of a .cls or .json member
GZIP = b"\x1f\x8b"
NO_LABEL = "no label"
STRANGE_LABEL = "label that is no class of the task"
MULTI_LABEL = (
    "{path} gives several labels to one image: a multi-label task, of which accuracy is not defined. Tailscope scores tasks "
    "with one class an image."
)


def read_labelled_shards(shards: Sequence[Path], labels: Sequence[str], ledger: Ledger) -> list[tuple[Place, int]]:
    """Each image's place with the number of its class among `labels`; what is no labelled image is booked.

    Raises SourceError where the labels are lists: several classes an image are no single right answer.
    """
    return number_classes([pair for shard in shards for pair in _read_labelled(shard, ledger)], labels, ledger)


def number_classes(found: list[tuple[Place, str]], labels: Sequence[str], ledger: Ledger) -> list[tuple[Place, int]]:
    """The images with the class that each label text names, or numbers; what a number means is decided once for all of them.

    Numbers are places in the list of labels unless more of them are labels than places.
    """
    names = {canonical(label): number for number, label in reversed(list(enumerate(labels)))}
    numbers = {text for _, text in found if text.isascii() and text.isdigit()}
    are_places = sum(int(text) < len(labels) for text in numbers) >= sum(text in names for text in numbers)
    places = {text: int(text) for text in numbers if int(text) < len(labels)} if are_places else {}
    numbered = []
    for place, text in found:
        named = None if are_places and text in numbers else names.get(canonical(text))
        number = places.get(text, named) if text else None
        if number is None:
            ledger.take(dropped=1, reason=STRANGE_LABEL)
        else:
            numbered.append((place, number))
    return numbered


def _read_labelled(shard: Path, ledger: Ledger) -> Iterator[tuple[Place, str]]:
    """The images of one shard with what their label says, in its order."""
    images, texts, fault = _read_label_members(shard, ledger)
    if fault:
        ledger.take(dropped=1, reason=fault)  # the image that is cut off, if nothing more
    ledger.take(dropped=len(texts.keys() - images.keys()), reason=NO_IMAGE)
    for key, (offset, length) in images.items():
        if key in texts:
            yield (str(shard.absolute()), offset, length), texts[key]
        else:
            ledger.take(dropped=1, reason=NO_LABEL)


def _read_label_members(shard: Path, ledger: Ledger) -> tuple[dict[str, tuple[int, int]], dict[str, str], str]:
    """By key where its image stands and what its label says; and what is wrong with the shard."""
    images: dict[str, tuple[int, int]] = {}
    texts: dict[str, str] = {}
    key = fault = ""
    with shard.open("rb") as stream:
        if stream.read(len(GZIP)) == GZIP:
            raise SourceError(
                f"{shard} is packed with gzip, so that no image in it can be found by its place. Unpack it: gunzip."
            )
        for info, fault in read_members(stream, shard):
            if info and is_plain(info):
                path, _, name = info.name.rpartition("/")
                stem, _, ending = name.partition(".")
                key = f"{path}/{stem}"
            if fault:
                break
            if not is_plain(info):
                continue
            if ending.lower() in IMAGE_ENDINGS:
                if key in images:
                    ledger.take(dropped=1, reason=SECOND_IMAGE)
                images.setdefault(key, (info.offset_data, info.size))
            elif ending.lower() in ("cls", "json"):
                stream.seek(info.offset_data)
                text = stream.read(min(info.size, MAX_LABEL)).decode("utf-8", "replace").strip()
                if ending.lower() == "cls":
                    texts[key] = text
                elif not texts.get(key):  # a .json beside a .cls is often without a label
                    texts[key] = _read_json_label(text, shard)
            else:
                ledger.take(dropped=1, reason=OTHER)
    if fault and not (key in images and key in texts):
        images.pop(key, None)
        texts.pop(key, None)
    return images, texts, fault


def _read_json_label(text: str, shard: Path) -> str:
    try:
        label = json.loads(text)["label"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if isinstance(label, list) and len(label) > 1:
        raise SourceError(MULTI_LABEL.format(path=shard))
    return str(label[0] if isinstance(label, list) and label else label)
