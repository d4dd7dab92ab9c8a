"""COCO captions (.json), and what takes after them: Karpathy's splits, LVIS, NoCaps; the photos in a folder.

COCO has images with id and file_name, annotations with image_id and caption; Karpathy's splits have `sentences` within each
image; LVIS has a coco_url in the place of file_name.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from backend.errors import SourceError
from precompute.corpus.lists import list_reader
from precompute.corpus.photos import Listed
from precompute.corpus.sample import NO_CAPTION, clean_text
from precompute.corpus.shard import Column, Layout, Piece, Reading, ReadOptions, Shard
from precompute.corpus.values import list_texts

_EXPECTED = "Expected: images with id and file_name, annotations with image_id and caption."
_NAMES = ("file_name", "filename", "coco_url", "flickr_url", "url")  # of a photo, the first that is there
_URLS = ("coco_url", "url", "flickr_url")


def load_coco(path: Path) -> tuple[dict, dict[str, str]]:
    """What a COCO file says, and its images' file names by id. Raises SourceError where it is no such file.

    Ids are compared as texts (`id_of`): a number means the same in quotes. The file read last is kept, and not to be changed:
    it is asked for several times on the way to its samples.
    """
    seen = path.stat()
    return _load(path, seen.st_size, seen.st_mtime_ns)


@lru_cache(maxsize=1)
def _load(path: Path, size: int, changed: int) -> tuple[dict, dict[str, str]]:
    try:
        content = json.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        images = content["images"]
        if any("sentences" in image for image in images):
            content = _spread_sentences(content)
        names = {id_of(image["id"]): _name_image(image) for image in content["images"]}
        for annotation in content["annotations"]:
            id_of(annotation.get("image_id")), id_of(annotation.get("category_id"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(f"{path} is no COCO file ({type(error).__name__}: {error}). {_EXPECTED}") from error
    return content, names


def has_images(path: Path) -> bool:
    """Whether a JSON file speaks of images in its first MB, as COCO's files do."""
    with path.open("rb") as stream:
        head = stream.read(1 << 20)
    return b'"images"' in head or b'"annotations"' in head


def id_of(value: object) -> str:
    """An id as it is compared. Raises TypeError for what is none.

    >>> id_of(42) == id_of("42")
    True
    """
    if isinstance(value, (list, dict)):
        raise TypeError(f"an id is no {type(value).__name__}")
    return str(value).strip()


def _name_image(image: Mapping) -> str:
    """An image's file name; of a URL the last part."""
    name = next((image[key] for key in _NAMES if isinstance(image.get(key), str) and image[key]), None)
    if name is None:
        raise KeyError("file_name")
    return clean_text(name.rpartition("/")[2] if "://" in name else name)


def _spread_sentences(content: Mapping) -> dict:
    """A Karpathy split as COCO has it."""
    images, annotations = [], []
    for number, image in enumerate(content["images"]):
        images.append({**image, "id": number})
        for sentence in image.get("sentences", []):
            annotations.append({"image_id": number, "caption": sentence.get("raw") or " ".join(sentence.get("tokens", []))})
    return {**content, "images": images, "annotations": annotations}


def _read_captions(shard: Shard, reading: Reading) -> Iterator[Listed]:
    content, names = load_coco(shard.path)
    urls = {id_of(image["id"]): _find_url(image) for image in content["images"]}
    annotations, silent = content["annotations"], set(names)
    if annotations and not any("caption" in annotation for annotation in annotations):
        raise SourceError(f"{shard.path} has boxes and no captions: it is COCO instances or LVIS. Hand it in as --image-hits.")
    for number, annotation in enumerate(annotations, start=1):
        image = id_of(annotation.get("image_id"))
        silent.discard(image)
        reading.done = number / len(annotations)
        for caption in list_texts(annotation.get("caption")) or [""]:
            yield Listed(names.get(image, ""), caption, urls.get(image, ""))
    reading.samples.take(dropped=len(silent), reason=NO_CAPTION)


def _find_url(image: Mapping) -> str:
    return next((clean_text(image[key]) for key in _URLS if isinstance(image.get(key), str)), "")


def _cut(path: Path, options: ReadOptions) -> list[Piece]:
    return [Piece()]


def _describe(shard: Shard) -> Layout:
    content, _ = load_coco(shard.path)
    split = any("sentences" in image for image in content["images"])
    words = "JSON with sentences by image, as Karpathy's splits have them" if split else "COCO captions"
    caption = "images[].sentences[].raw" if split else "annotations[].caption"
    image = next((key for image in content["images"][:1] for key in _NAMES if key in image), "file_name")
    why = "as the layout has it"
    return Layout(words, (Column("caption", caption, why), Column("image", f"images[].{image}", why)))


READER = list_reader("coco", (".json",), "COCO captions (.json)", _read_captions, _cut, _describe)
