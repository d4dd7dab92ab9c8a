"""Joins image hits that were made elsewhere with the samples of a corpus, by the photos' file names."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from backend.errors import SourceError
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
        """The hits of these samples, as `search_images` gives them.

        A photo is one whose path ends in the given name, folders and all. Raises SourceError for images inside a tar.
        """
        if samples["offset"].null_count < samples.num_rows:
            raise SourceError("Image hits are given by photo file name, and photos inside a tar have none. Use a tagger.")
        paths = pd.DataFrame({"sample_id": samples["sample_id"].to_numpy(), "path": samples["image"].to_pylist()})
        photos = paths[["path"]].drop_duplicates()
        photos["base"] = _list_file_names(photos["path"])
        pairs = photos.merge(self._rows.reset_index(names="row"), on="base")
        ends = [f"/{path}".endswith(f"/{name}") for path, name in zip(pairs["path"], pairs["name"], strict=True)]
        pairs = pairs[np.array(ends, bool)]
        self.used[pairs["row"]] = True
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
            NO_SAMPLE: rows["counts"] & ~self.used,
        }
        for reason, these in dropped.items():
            ledger.take(dropped=int(these.sum()), reason=reason)
        ledger.take(written=int((rows["counts"] & self.used).sum()))


def _list_file_names(paths: pd.Series) -> pd.Series:
    """The last part of each path."""
    return pd.Series([path.rpartition("/")[2] for path in paths], paths.index, dtype="str")
