"""Joins image hits that were made elsewhere with a corpus, by file names, or by the keys of samples inside a shard."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from backend.image_ref import ImageRef
from backend.images import IMAGE_ENDINGS
from backend.words import canonical
from precompute.ledger import Ledger
from precompute.search.distinct import hash_content
from precompute.search.images import HITS_SCHEMA

NO_CONCEPT = "label that is no concept"
NO_SAMPLE = "image that the corpus lacks"
LOW_SCORE = "score below the lowest threshold"
SEVERAL = "name of several images"  # in a.tar and b.tar: a name with the shard in front (a.tar/0001.jpg) tells them apart

_PLACE = ("image", "offset", "key")  # the columns of samples that say what an image is called


class GivenHits:
    """Hits made elsewhere (`given_hits.read_given_hits`), to be joined with the samples of each shard by photo file name.

    `concepts` are numbered in the order given. A label is the concept of its canonical name; of several labels that are
    one concept, the highest score counts. `floor`: the least score that counts; without it every given hit scores 1.
    """

    def __init__(self, hits: pa.Table, concepts: Sequence[str], floor: float | None = None):
        numbers = {concept: number for number, concept in enumerate(concepts)}
        labels = {label: numbers.get(canonical(label), -1) for label in hits["label"].unique().to_pylist()}
        self._rows = pd.DataFrame(
            {
                "name": hits["image"].to_pylist(),
                "concept": [labels[label] for label in hits["label"].to_pylist()],
                "score": np.float32(1) if floor is None else hits["score"].to_numpy(),
            }
        )
        self._rows["known"] = self._rows["concept"] >= 0
        self._rows["counts"] = self._rows["known"] & (self._rows["score"] >= np.float32(floor or 0))
        self._rows["stem"] = [_drop_ending(name) for name in self._rows["name"]]
        self._rows["base"] = _list_file_names(self._rows["stem"])
        self.places = np.zeros(len(self._rows), np.int64)  # by row, a hash of the image that it is of; 0: none yet, -1: several
        self.excluded = np.zeros(len(self._rows), bool)  # the rows of several images, of which none has the hit

    def join(self, samples: pa.Table) -> pa.Table:
        """The hits of these samples, as `score_pictures` gives them.

        A photo is one whose path ends in the given name, folders and all. An image inside a shard, or one that is not here,
        is called by its sample's key, with an ending or without: `0001`, `0001.jpg`, `00000.tar/0001`.
        """
        paths = pd.DataFrame({"sample_id": samples["sample_id"].to_numpy(), "path": _list_paths(samples)})
        photos = paths[["path"]].drop_duplicates()
        photos["base"] = _list_file_names(pd.Series([_drop_ending(path) for path in photos["path"]], photos.index, dtype="str"))
        pairs = photos.merge(self._rows.reset_index(names="row"), on="base")
        ends = [
            _ends_in(path, name) or (_drop_ending(path) == path and _ends_in(path, stem))
            for path, name, stem in zip(pairs["path"], pairs["name"], pairs["stem"], strict=True)
        ]
        pairs = pairs[np.array(ends, bool)]
        found = pairs.groupby("row")["path"].agg(["first", "nunique"])
        hashes = [hash_content(path.encode()) or 1 if count == 1 else -1 for path, count in found.itertuples(index=False)]
        self.places[found.index.to_numpy(np.int64)] = np.array(hashes, np.int64)
        pairs = pairs[~self.excluded[pairs["row"].to_numpy(np.int64)]]
        pairs = pairs[pairs["counts"]].groupby(["path", "concept"], as_index=False)["score"].max()
        hits = paths.merge(pairs, on="path").sort_values(["sample_id", "score", "concept"], ascending=[True, False, True])
        columns = [hits[field.name].to_numpy(field.type.to_pandas_dtype()) for field in HITS_SCHEMA]
        return pa.table(columns, schema=HITS_SCHEMA)

    def book(self, ledger: Ledger) -> None:
        """Books every given hit, once all shards are joined: written where a sample has it, else why none does."""
        rows = self._rows
        dropped = {
            NO_CONCEPT: ~rows["known"],
            LOW_SCORE: rows["known"] & ~rows["counts"],
            NO_SAMPLE: rows["counts"] & (self.places == 0),
            SEVERAL: rows["counts"] & (self.places == -1),
        }
        for reason, these in dropped.items():
            ledger.take(dropped=int(these.sum()), reason=reason)
        ledger.take(written=int((rows["counts"] & ~np.isin(self.places, (0, -1))).sum()))


def join_places(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The places of given hits in the shards of two jobs together: of several images where they are different ones.

    >>> join_places(np.array([0, 5, 5, 5, -1]), np.array([7, 0, 5, 6, 5])).tolist()
    [7, 5, 5, -1, -1]
    """
    both = np.where(one == 0, other, one)
    return np.where((one != 0) & (other != 0) & (one != other), -1, both)


def _list_paths(samples: pa.Table) -> list[str]:
    """What each sample's image is called: a plain file's path; else the shard's path, if it is in one, with the key behind."""
    columns = [samples[name].to_pylist() if name in samples.column_names else [None] * samples.num_rows for name in _PLACE]
    return [_name_place(*values) for values in zip(*columns, strict=True)]


def _name_place(image: str | None, offset: int | None, key: str | None) -> str:
    place = None if image is None else ImageRef.from_columns(image, offset, offset)
    if place is not None and place.kind == "file":
        return image
    inside = place is not None and place.kind in ("slice", "cell")
    return f"{place.path}/{key or ''}" if inside else key or ""


def _ends_in(path: str, name: str) -> bool:
    return f"/{path}".endswith(f"/{name}")


def _drop_ending(name: str) -> str:
    """The name without an image's ending, if it has one."""
    stem, _, ending = name.rpartition(".")
    return stem if stem and ending.lower() in IMAGE_ENDINGS else name


def _list_file_names(paths: pd.Series) -> pd.Series:
    """The last part of each path."""
    return pd.Series([path.rpartition("/")[2] for path in paths], paths.index, dtype="str")
