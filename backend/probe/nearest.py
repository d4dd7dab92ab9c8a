"""A text in; the study's own images that a model puts nearest to it out, from embeddings that a step made, or of some images
drawn by lot, embedded when they are first asked for.

`embeddings/CHECKSUM/CORPUS.npy` holds a model's features, float32 (images, width), beside `CORPUS.ids.npy`, int64 (images,),
their sample_ids, -1 where an image could not be read; the manifest's `embeddings` lists them. All are compared with numpy on
the mapped file: exact, without another copy or package, and at a million images in a fifth of the time that DuckDB takes
(`python -m benchmarks.probe`, which compares FAISS as well where it is installed).
"""

import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from backend.errors import EmptySelection, ImageError, InvalidTable, MissingTable
from backend.images import decode_image, read_image_bytes
from backend.models.classifiers import CACHE
from backend.models.encode import Model
from backend.probe.reference import keep_array
from backend.progress import Progress
from backend.samples import PAGE, draw_images, read_samples
from backend.study import Study, quote_folder

EMBEDDINGS = "embeddings"
_EMBED = "python -m precompute embed --study {study} --model {model}"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The features of a corpus's images by one model: float32 (images, width), and their sample_ids, int64 (images,)."""

    features: np.ndarray
    sample_ids: np.ndarray


def embedding_paths(folder: Path, weights_sha256: str, corpus: str) -> tuple[Path, Path]:
    """Where the features and the sample_ids of a corpus by a model lie in a study's folder."""
    place = folder / EMBEDDINGS / weights_sha256[:16]
    return place / f"{corpus}.npy", place / f"{corpus}.ids.npy"


def tell_command(study: Study, model: Model) -> str:
    """The command that embeds all images of a study by a model."""
    return _EMBED.format(study=quote_folder(study.folder), model=shlex.quote(model.spec))


def list_embedded(study: Study, model: Model) -> pd.DataFrame:
    """corpus, title, images: the corpora whose images this model has embedded and that are as they were then."""
    embedded = study.manifest.embeddings.get(model.weights_sha256)
    samples = study.manifest.tables.get("samples")
    if embedded is None or samples is None:
        return pd.DataFrame({"corpus": [], "title": [], "images": []})
    rows = [
        (corpus, study.corpus_titles.get(corpus, corpus), entry.images)
        for corpus, entry in sorted(embedded.corpora.items())
        if corpus in samples.files and samples.files[corpus].sha256 == entry.samples_sha256
    ]
    return pd.DataFrame(rows, columns=["corpus", "title", "images"])


def load_embeddings(study: Study, corpus: str, model: Model) -> Embeddings:
    """The embeddings of a corpus by a model, mapped from disk.

    Raises MissingTable, with the command, where they were not made, or for other samples; InvalidTable where they are broken.
    """
    embedded = list_embedded(study, model).set_index("corpus")
    if corpus not in embedded.index:
        command = tell_command(study, model)
        raise MissingTable(f"The images of '{corpus}' have no embeddings by {model.name}. Make them: {command}")
    paths = embedding_paths(study.folder, model.weights_sha256, corpus)
    try:
        features, sample_ids = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidTable(f"The embeddings of '{corpus}' by {model.name} cannot be read: {error}") from error
    if features.shape != (len(sample_ids), model.width):
        raise InvalidTable(
            f"The embeddings of '{corpus}' by {model.name} do not fit their sample_ids or the model. Make them again."
        )
    return Embeddings(features, sample_ids)


def draw_embeddings(
    study: Study, corpus: str, model: Model, images: int, *, folder: Path = CACHE / "drawn", say: Progress | None = None
) -> Embeddings:
    """The embeddings of so many images of a corpus, drawn by lot, the same ones each time; made now and kept on disk, outside
    the study. An image that cannot be decoded has the sample_id -1.
    """
    rows = draw_images(study, corpus, images)

    def encode() -> np.ndarray:
        readable = np.zeros(len(rows), bool)

        def draw() -> Iterator[Image.Image]:
            for number, row in enumerate(rows.itertuples(index=False)):
                with suppress(ImageError):
                    image = decode_image(read_image_bytes(study.folder, row.image, row.offset, row.length))
                    readable[number] = True
                    yield image
                if say:
                    say((number + 1) / len(rows))

        encoded = model.encode_images(draw())
        features = np.zeros((len(rows), model.width), np.float32)
        features[readable] = encoded.reshape(-1, model.width)
        return features

    key = f"drawn {model.weights_sha256} {study.token} {corpus} {images}"
    features = keep_array(folder, key, encode)
    return Embeddings(features, np.where(features.any(axis=1), rows["sample_id"].to_numpy(np.int64), -1))


def count_images(study: Study, corpus: str) -> int:
    """The samples of a corpus that have an image."""
    found = study.query("SELECT count(image) AS images FROM samples WHERE corpus = $corpus", corpus=corpus)
    return int(found["images"].iloc[0])


def rank_nearest(embeddings: Embeddings, query: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The sample_ids nearest to a feature (width,) of length 1, and their similarities; best first, by sample_id in a tie."""
    similarities = embeddings.features @ query.astype(np.float32)
    similarities[embeddings.sample_ids < 0] = -np.inf
    count = min(count, int(np.isfinite(similarities).sum()))
    if not count:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    least = np.partition(similarities, len(similarities) - count)[len(similarities) - count]
    chosen = np.flatnonzero(similarities >= least)
    order = np.lexsort((embeddings.sample_ids[chosen], -similarities[chosen]))[:count]
    return embeddings.sample_ids[chosen][order], similarities[chosen][order]


def find_images(
    study: Study, corpus: str, model: Model, text: str, embeddings: Embeddings | None = None, count: int = PAGE
) -> pd.DataFrame:
    """The images of a corpus nearest to a text, as it stands: similarity, and the columns of `samples`, best first.

    embeddings: where to look; without them in all of the corpus's, as the step made them. Raises EmptySelection for an empty
    text, and what `load_embeddings` raises.
    """
    if not text.strip():
        raise EmptySelection("Type a text to look for.")
    embeddings = embeddings or load_embeddings(study, corpus, model)
    sample_ids, similarities = rank_nearest(embeddings, model.encode_texts([text.strip()])[0], count)
    found = pd.DataFrame({"sample_id": sample_ids, "similarity": similarities.astype(float)})
    return read_samples(study, corpus, found)
