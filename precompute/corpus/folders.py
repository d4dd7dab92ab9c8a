"""Which files of a folder are a corpus, where a user names the folder alone; the others are counted."""

from collections import Counter
from pathlib import Path, PurePosixPath

from backend.images import IMAGE_ENDINGS
from precompute.corpus import coco, jsonl
from precompute.corpus.copies import strip_packing
from precompute.corpus.folder import CAPTION_ENDINGS, list_files
from precompute.corpus.sample import name_sidecar

METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.parquet")  # the lists of an imagefolder
LISTS = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt")


def list_corpus_files(folder: Path) -> tuple[list[Path], Counter]:
    """The files of a folder that are a corpus, or the folder itself where its images are; and how many play no part, by reason.

    Tars come before all else, then what Hugging Face calls metadata, then images with captions beside them, then lists of
    captions, then images alone.
    """
    names = list(list_files(folder))
    images = {_stem(name) for name in names if _ending(name) in IMAGE_ENDINGS}
    tars = [name for name in names if f".{_ending(strip_packing(name))}" == ".tar"]
    metadata = [name for name in names if PurePosixPath(name).name.lower() in METADATA]
    paired = any(_stem(name) in images for name in names if _ending(name) in CAPTION_ENDINGS)
    lists = [name for name in names if _is_list(folder / name)]
    if tars or metadata or (lists and not paired):
        chosen = tars or metadata or lists
        named = set(chosen) if tars else {*chosen, *(name for name in names if _ending(name) in IMAGE_ENDINGS)}
        unused = Counter(name_sidecar(_ending(strip_packing(name))) for name in names if name not in named)
        return [folder / name for name in chosen], unused
    if images:
        return [folder], Counter()  # its reader counts what plays no part
    return [], Counter(name_sidecar(_ending(name)) for name in names)


def _is_list(path: Path) -> bool:
    """Whether a file may list captions; of JSON many files in a folder say other things."""
    ending = f".{_ending(strip_packing(path.name))}"
    if ending != ".json" or path.suffix.lower() != ".json":
        return ending in LISTS
    return jsonl.starts_list(path) or coco.has_images(path)


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower().removeprefix(".")
