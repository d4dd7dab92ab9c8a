"""Joins image hits that were made elsewhere with the samples of a corpus, by the photos' file names or keys in a tar."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from backend.words import canonical
from precompute.ledger import Ledger
from precompute.search.images import HITS_SCHEMA

NO_CONCEPT = "label that is no concept"
NO_SAMPLE = "image that the corpus lacks"
LOW_SCORE = "score below the lowest threshold"


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
        self._rows["base"] = _list_file_names(self._rows["name"])
        self.used = np.zeros(len(self._rows), bool)  # which rows a sample has had

    def join(self, samples: pa.Table) -> pa.Table:
        """The hits of these samples (sample_id, image, offset, key), as `score_pictures` gives them.

        A photo is one whose path ends in the given name, folders and all. One inside another file (a tar, Parquet) has that
        file's path and its own key, and is named with or without endings.
        """
        cells = pc.fill_null(pc.match_substring_regex(samples["image"], r"\.parquet#\d+,\d+$"), False)
        inside = pc.or_(samples["offset"].is_valid(), cells).to_numpy()
        images, keys = samples["image"].to_pylist(), samples["key"].to_pylist()
        paths = pd.DataFrame(
            {
                "sample_id": samples["sample_id"].to_numpy(),
                "path": [f"{image}/{key}" if inner else image for image, key, inner in zip(images, keys, inside, strict=True)],
                "inside": inside,
            }
        )
        photos = paths.loc[[image is not None for image in images], ["path", "inside"]].drop_duplicates()
        photos["base"] = _list_file_names(photos["path"])
        rows = self._rows.reset_index(names="row")
        stems = self._stems
        pairs = pd.concat(
            [photos[~photos["inside"]].merge(rows, on="base"), photos[photos["inside"]].merge(stems, on="base")],
            ignore_index=True,
        )
        ends = [f"/{path}".endswith(f"/{name}") for path, name in zip(pairs["path"], pairs["name"], strict=True)]
        pairs = pairs[np.array(ends, bool)]
        self.used[pairs["row"].to_numpy(np.int64)] = True
        pairs = pairs[pairs["counts"].astype(bool)].groupby(["path", "concept"], as_index=False)["score"].max()
        hits = paths.merge(pairs, on="path").sort_values(["sample_id", "score", "concept"], ascending=[True, False, True])
        columns = [hits[field.name].to_numpy(field.type.to_pandas_dtype()) for field in HITS_SCHEMA]
        return pa.table(columns, schema=HITS_SCHEMA)

    @cached_property
    def _stems(self) -> pd.DataFrame:
        """The rows by every name that a key may have: as given, without the last ending, without all."""
        rows = self._rows.reset_index(names="row")
        forms = [
            rows.assign(name=[spell(name) for name in rows["name"]]) for spell in (str, _cut_last_ending, _cut_all_endings)
        ]
        known = pd.concat(forms, ignore_index=True).drop_duplicates(["row", "name"])
        return known.assign(base=_list_file_names(known["name"]))

    def book(self, ledger: Ledger) -> None:
        """Books every given hit, once all shards are joined: written where a sample has it, else why none does."""
        rows = self._rows
        dropped = {
            NO_CONCEPT: ~rows["known"],
            LOW_SCORE: rows["known"] & ~rows["counts"],
            NO_SAMPLE: rows["counts"] & ~self.used,
        }
        for reason, these in dropped.items():
            ledger.take(dropped=int(these.sum()), reason=reason)
        ledger.take(written=int((rows["counts"] & self.used).sum()))


def _cut_last_ending(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.rpartition('.')[0] or last}"


def _cut_all_endings(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition('.')[0] or last}"


def _list_file_names(paths: pd.Series) -> pd.Series:
    """The last part of each path."""
    return pd.Series([path.rpartition("/")[2] for path in paths], paths.index, dtype="str")
