"""COCO captions (.json): images with id and file_name, annotations with image_id and caption; the photos in a folder."""

import json
from collections.abc import Iterator
from pathlib import Path

from backend.errors import SourceError
from precompute.corpus.photos import Listed, checksum_photos, join_photos
from precompute.corpus.sample import NO_CAPTION, Sample, clean_text
from precompute.corpus.shard import Column, Layout, Reader, Reading, Shard, keep_whole


def read_coco(shard: Shard, reading: Reading, with_images: bool) -> Iterator[Sample]:
    """The samples of a COCO captions file, in its order; an image of which it says nothing is dropped."""
    rows = list(_read_captions(shard, reading))
    yield from join_photos(shard, rows, reading, with_images, [row.name for row in rows])


def identify_coco(shard: Shard, with_images: bool) -> str:
    """A checksum of the file and of the photos that it names."""
    rows = list(_read_captions(shard, Reading()))
    return checksum_photos(shard, rows, with_images, [row.name for row in rows])


def describe_coco(shard: Shard) -> Layout:
    """What its file seems to be."""
    return Layout(
        "COCO captions",
        (Column("caption", "annotations[].caption", "by its name"), Column("image", "images[].file_name", "by its name")),
    )


def load_coco(path: Path) -> tuple[dict, dict[object, str]]:
    """What a COCO file says, and its images' file names by id. Raises SourceError where it is no such file."""
    try:
        content = json.loads(path.read_bytes())
        names = {image["id"]: clean_text(image["file_name"]) for image in content["images"]}
        keys = [(annotation.get("image_id"), annotation.get("category_id")) for annotation in content["annotations"]]
        set(keys)  # an id may be a number or a text, not a list
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(
            f"{path} is no COCO file ({type(error).__name__}: {error}). Expected: images with id and file_name, "
            "annotations with image_id and caption."
        ) from error
    return content, names


def _read_captions(shard: Shard, reading: Reading) -> Iterator[Listed]:
    content, names = load_coco(shard.path)
    annotations, silent = content["annotations"], set(names)
    for number, annotation in enumerate(annotations, start=1):
        image, caption = annotation.get("image_id"), annotation.get("caption")
        silent.discard(image)
        reading.done = number / len(annotations)
        yield Listed(names.get(image, ""), clean_text(caption) if isinstance(caption, str) else "")
    reading.samples.take(dropped=len(silent), reason=NO_CAPTION)


READER = Reader("coco", (".json",), "COCO captions (.json)", read_coco, keep_whole, identify_coco, describe_coco)
