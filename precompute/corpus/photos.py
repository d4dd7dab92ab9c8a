"""The photos beside a list of captions: found by the names that the list gives, each read once.

Lists were written on other machines: a name may have the other slash, percent signs, the other case in its ending, or begin
with folders that are not here. A name leads to a file only where no other name of the list could mean that file.
"""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from backend.errors import SourceError
from backend.image_ref import ImageRef
from backend.images import IMAGE_BYTES, read_size
from precompute.corpus.sample import HEADER_BYTES, NO_IMAGE, Sample, Size, find_caption_fault
from precompute.corpus.shard import Reading, Shard

OUTSIDE = "image outside the folder"
SEVERAL = "image name of several files"
BESIDE = "images"  # the folder beside a list of captions where its photos lie, if not beside the list itself
FIRST_NAMES = 1000  # of a list, by which it is told whether its photos are here, and below which folders
_MOST_FILES = 1 << 20  # in a folder that is searched for a photo of which only the last part of its path is known


class Listed(NamedTuple):
    """What a list says of one sample: a photo's name, a caption, a URL; "" for what it does not say."""

    name: str
    caption: str
    url: str = ""


@dataclass(frozen=True)
class Whereabouts:
    """Where the photos of a list are, by its first names: `here`, whether any is here or a folder of them was named;
    `strip`: the folders that all names begin with and that are not here, to be left out; `seen`: whether any is here."""

    here: bool
    strip: str = ""
    seen: bool = True


class Photos:
    """Finds the photos that a list names, below the shard's root; they lie in its folder `images`, or in the root itself.

    `names`: the list's first ones. Raises SourceError where a folder of images was named and is not there.
    """

    def __init__(self, shard: Shard, with_images: bool, names: Iterable[str] = ()):
        named = shard.options.images
        if named is not None and not named.is_dir():
            raise SourceError(f"No folder of images at {named}.")
        folders = [""] if named else [f"{BESIDE}/", ""]
        self.root = shard.root
        self.folders = [folder for folder in folders if (self.root / folder).is_dir()]
        self.searched = self.root if named else self.root / BESIDE
        self.with_images = with_images
        self.found: dict[str, tuple[ImageRef, Size] | str] = {}
        self.where = Whereabouts(True)
        self.where = self._locate([name for name in dict.fromkeys(names) if name], named is not None)

    def find(self, name: str) -> tuple[ImageRef, Size, bytes | None] | str:
        """A photo's place and size, and its bytes where it is named for the first time; or the reason why there is none."""
        if name in self.found:
            known = self.found[name]
            return known if isinstance(known, str) else (*known, None)
        place = self.look_for(name)
        if isinstance(place, str):
            self.found[name] = place
            return place
        size, content = read_photo(self.root / place.path, self.with_images)
        self.found[name] = (place, size)
        return place, size, content

    def look_for(self, name: str) -> ImageRef | str:
        """A photo's place; or the reason why there is none."""
        reason = NO_IMAGE
        for spelled in _spell(name):
            path = self._leave_out(spelled)
            if path.is_absolute() or ".." in path.parts:
                reason = OUTSIDE
                continue
            for folder in self.folders:
                if _is_file(self.root / folder / path):
                    return ImageRef(f"{folder}{path}")
            if len(path.parts) == 1 and (places := self._by_name.get(path.name)):
                return ImageRef(places[0]) if len(places) == 1 else SEVERAL
        return reason

    def _locate(self, names: list[str], named: bool) -> Whereabouts:
        """Where the photos are; what all names begin with is left out as far as that is needed for one to be here."""
        if not names or self._any_here(names):
            return Whereabouts(named or bool(names), seen=bool(names))
        parts = [PurePosixPath(name.replace("\\", "/")).parts[:-1] for name in names]
        shared = os.path.commonprefix(parts)
        for count in range(1, len(shared) + 1):
            self.where = Whereabouts(True, "/".join(shared[:count]).replace("//", "/"))
            if self._any_here(names):
                return self.where
        return Whereabouts(named, seen=False)

    def _any_here(self, names: list[str]) -> bool:
        return any(isinstance(self.look_for(name), ImageRef) for name in names)

    def _leave_out(self, name: str) -> PurePosixPath:
        """The path below the root: without the root itself, and without what all names begin with."""
        path = PurePosixPath(name)
        for start in (str(self.root), str(self.root.resolve()), self.where.strip):
            if start and path.is_relative_to(start) and path != PurePosixPath(start):
                return path.relative_to(start)
        return path

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """The files somewhere below the folder of photos by their names, each with its places below the root."""
        places: dict[str, list[str]] = {}
        seen = 0
        for folder, _, files in os.walk(self.searched):
            for file in files:
                places.setdefault(file, []).append(Path(folder, file).relative_to(self.root).as_posix())
            seen += len(files)
            if seen > _MOST_FILES:
                return {}
        return places


def join_photos(
    shard: Shard, rows: Iterable[Listed], reading: Reading, with_images: bool, names: Iterable[str]
) -> Iterator[Sample]:
    """The samples of a list's rows, the first one at the shard's start; `names`: the first photos of the whole list.

    Where photos of the list are here, a row without its own is dropped; where none is, its captions stand alone, each with
    its URL if it has one.
    """
    photos = Photos(shard, with_images, names)
    for position, (name, caption, url) in enumerate(rows, start=shard.start):
        sample_id = shard.sample_id(position)
        photo = photos.find(name) if photos.where.here else None
        if fault := find_caption_fault(caption) or (photo if isinstance(photo, str) else ""):
            reading.samples.take(dropped=1, reason=fault)
            continue
        reading.samples.take(written=1)
        if photo is None:
            url = url or (name if "://" in name else "")
            yield Sample(sample_id, name, caption, ImageRef(url) if url else None)
        else:
            yield Sample(sample_id, name, caption, *photo)


def locate_photos(shard: Shard, names: Iterable[str]) -> str:
    """A sentence on the photos of a list, by its first ones; "" where it names none."""
    names = [name for name in dict.fromkeys(names) if name]
    where = Photos(shard, False, names).where
    if not names or (not where.here and all("://" in name for name in names)):
        return ""
    if where.here and not where.seen:
        return f"none of the first photos is in {shard.root}, such as {names[0]}"
    if not where.here and (elsewhere := [name for name in names if PurePosixPath(name).is_absolute() and _is_file(Path(name))]):
        folder = os.path.commonpath([str(PurePosixPath(name).parent) for name in elsewhere])
        return f"the photos lie outside the list's folder, and captions alone are read: --images {folder} reads them too"
    if not where.here:
        return f"none of the photos is here, such as {names[0]}: captions alone are read; --images FOLDER says where they are"
    return f"photos are in {shard.root}" + (f", without {where.strip}" if where.strip else "")


def checksum_photos(shard: Shard, rows: Iterable[Listed], with_images: bool, names: Iterable[str]) -> str:
    """A checksum of the photos that a list names: which there are, how large, and their bytes where they count."""
    photos = Photos(shard, with_images, names)
    checksum = hashlib.sha256(str(photos.where).encode("utf-8", "surrogatepass"))
    if not photos.where.here:
        return checksum.hexdigest()
    for name in dict.fromkeys(row.name for row in rows):
        place = photos.look_for(name)
        checksum.update(f"{name}\0".encode("utf-8", "surrogatepass"))
        if isinstance(place, ImageRef):
            checksum.update(describe_file(photos.root / place.path, with_images).encode())
            checksum.update(f"{place.path}\0".encode("utf-8", "surrogateescape"))
    return checksum.hexdigest()


def read_photo(path: Path, with_images: bool) -> tuple[Size, bytes | None]:
    """A photo's size by its header, and its bytes where they are asked for and not too many."""
    try:
        with path.open("rb") as stream:
            content = stream.read(IMAGE_BYTES + 1 if with_images else HEADER_BYTES)
            size = read_size(content)
            if size == (None, None) and not with_images and len(content) == HEADER_BYTES:
                size = read_size(content + stream.read(IMAGE_BYTES - HEADER_BYTES))
    except OSError:
        return (None, None), None
    return size, content if with_images and len(content) <= IMAGE_BYTES else None


def describe_file(path: Path, with_images: bool) -> str:
    """What identifies a photo: its bytes where they count, else how many there are; "" where it cannot be read."""
    try:
        if with_images:
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        return str(path.stat().st_size)
    except OSError:
        return ""


def _spell(name: str) -> Iterator[str]:
    """A photo's name as it is given, then as another system or another program would have written the same one.

    >>> list(_spell("a%20b.JPG"))
    ['a%20b.JPG', 'a%20b.jpg', 'a b.JPG', 'a b.jpg']
    """
    if not name:
        return
    given = [name, name.replace("\\", "/"), unquote(name), unquote(name).replace("\\", "/")]
    given += [unicodedata.normalize(form, spelled) for form in ("NFC", "NFD") for spelled in given]
    seen = set()
    for spelled in dict.fromkeys(given):
        stem, dot, ending = spelled.rpartition(".")
        for case in (spelled, f"{stem}{dot}{ending.lower()}", f"{stem}{dot}{ending.upper()}"):
            if case not in seen and "\0" not in case:
                seen.add(case)
                yield case


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # a name that is too long is no file either
        return False
