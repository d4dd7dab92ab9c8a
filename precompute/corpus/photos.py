"""The photos beside a list of captions: found by the names that the list gives, each read once."""

import hashlib
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from backend.errors import SourceError
from backend.image_ref import ImageRef
from backend.images import IMAGE_BYTES, read_size
from precompute.corpus.sample import HEADER_BYTES, NO_IMAGE, Sample, Size, find_caption_fault
from precompute.corpus.shard import Reading, Shard, checksum_content

OUTSIDE = "image outside the folder"
BESIDE = "images"  # the folder beside a list of captions where its photos lie, if not beside the list itself


class Photos:
    """Finds the photos that a list names, below the shard's root; they lie in its folder `images`, or in the root itself.

    Raises SourceError where a folder of images was named and is not there.
    """

    def __init__(self, shard: Shard, with_images: bool):
        if shard.images is not None and not shard.images.is_dir():
            raise SourceError(f"No folder of images at {shard.images}.")
        folders = [""] if shard.images else [f"{BESIDE}/", ""]
        self.root = shard.root
        self.folders = [folder for folder in folders if (self.root / folder).is_dir()]
        self.with_images = with_images
        self.found: dict[str, tuple[ImageRef, Size] | str] = {}

    def find(self, name: str) -> tuple[ImageRef, Size, bytes | None] | str:
        """A photo's place and size, and its bytes where it is named for the first time; or the reason why there is none."""
        if name in self.found:
            known = self.found[name]
            return known if isinstance(known, str) else (*known, None)
        place = self.look_for(name)
        if isinstance(place, str):
            self.found[name] = place
            return place
        size, content = self._read(self.root / place.path)
        self.found[name] = (place, size)
        return place, size, content

    def look_for(self, name: str) -> ImageRef | str:
        """A photo's place; or the reason why there is none."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            return OUTSIDE
        for folder in self.folders:
            if _is_file(self.root / folder / path):
                return ImageRef(f"{folder}{path}")
        return NO_IMAGE

    def _read(self, path: Path) -> tuple[Size, bytes | None]:
        try:
            with path.open("rb") as stream:
                content = stream.read(IMAGE_BYTES + 1 if self.with_images else HEADER_BYTES)
                size = read_size(content)
                if size == (None, None) and not self.with_images and len(content) == HEADER_BYTES:
                    size = read_size(content + stream.read(IMAGE_BYTES - HEADER_BYTES))
        except OSError:
            return (None, None), None
        return size, content if self.with_images and len(content) <= IMAGE_BYTES else None


def join_photos(shard: Shard, captions: Iterable[tuple[str, str]], reading: Reading, with_images: bool) -> Iterator[Sample]:
    """The samples of pairs of a photo's name and a caption; the first pair is the one at the shard's start."""
    photos = Photos(shard, with_images)
    for position, (name, caption) in enumerate(captions, start=shard.start):
        sample_id = shard.sample_id(position)
        photo = photos.find(name)
        if fault := find_caption_fault(caption) or (photo if isinstance(photo, str) else ""):
            reading.samples.take(dropped=1, reason=fault)
            continue
        place, size, content = photo
        reading.samples.take(written=1)
        yield Sample(sample_id, name, caption, place, size, content)


def checksum_photos(shard: Shard, names: Iterable[str], with_images: bool) -> str:
    """A checksum of a list and of the photos that it names: which there are, how large, and their bytes where they count."""
    photos = Photos(shard, with_images)
    checksum = hashlib.sha256(checksum_content(shard).encode())
    for name in dict.fromkeys(names):
        place = photos.look_for(name)
        checksum.update(f"{name}\0".encode())
        if isinstance(place, ImageRef):
            checksum.update(_describe_file(photos.root / place.path, with_images).encode())
            checksum.update(f"{place.path}\0".encode())
    return checksum.hexdigest()


def _describe_file(path: Path, with_images: bool) -> str:
    try:
        if with_images:
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        return str(path.stat().st_size)
    except OSError:
        return ""


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # a name that is too long is no file either
        return False
