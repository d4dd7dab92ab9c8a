"""Embeds the images of a study's corpora by a model, so that a text can be searched among them.

Reads: the table samples and the images it points to. Writes: embeddings/CHECKSUM/CORPUS.npy and CORPUS.ids.npy in the study,
its manifest.
Cost: the model's own, and 0.4 ms to decode a picture of 96 pixels; a million images by 512 numbers are a file of 2 GB.
The command: python -m precompute embed --study DIR --model ARCH:WEIGHTS|FOLDER [--corpus NAME]
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from backend.errors import InvalidTable, TailscopeError
from backend.manifest import EmbeddingsEntry, Manifest
from backend.models.encode import Model
from backend.models.loading import load_model
from backend.probe.nearest import EMBEDDINGS, embedding_paths
from backend.progress import StageProgress
from backend.study import Study
from backend.writing import file_sha256
from precompute.evaluate.features import Place, encode_places
from precompute.evaluate.kept_features import find_kept
from precompute.ledger import Ledger
from precompute.study_writer import extend_study

STEP = "embed"
WITHOUT_IMAGE = "sample without an image"
BLOCK = 32_768  # samples whose features are in memory at once: 64 MB by 512 numbers


@dataclass
class EmbeddingReport:
    """What came of the step: the model's name, and the books of the samples of each corpus that was embedded now."""

    model: str
    ledgers: dict[str, Ledger] = field(default_factory=dict)


def embed_study(
    folder: Path, spec: str, corpora: Sequence[str], say: StageProgress, *, allow_download: bool = False, force: bool = False
) -> EmbeddingReport:
    """Embeds the images of corpora (all that have samples, where none is named) and adds them to the study.

    A corpus that has them already, of the same samples and by the same weights, is left as it is, but for `force`. Raises
    TailscopeError, before the model is loaded, where the study has no such corpus. A killed run finds its images again.
    """
    folder = folder.resolve()
    study = Study(folder)
    study.require("samples")
    held = study.manifest.tables["samples"].files
    if unknown := sorted(set(corpora) - set(held)):
        raise TailscopeError(f"Study '{study.name}' has no samples of '{unknown[0]}', only of: {', '.join(sorted(held))}.")
    model = load_model(spec, allow_download=allow_download)
    report = EmbeddingReport(model.name)
    done = {} if force else _list_done(study, model)
    wanted = [corpus for corpus in corpora or sorted(held) if done.get(corpus) != held[corpus].sha256]
    if not wanted:
        return report
    work = folder.with_name(f".{folder.name}.{STEP}")
    for corpus in wanted:
        report.ledgers[corpus] = _embed_corpus(study, corpus, model, work, say)
    with extend_study(folder) as (part, manifest):
        entry = manifest.setdefault(EMBEDDINGS, {}).setdefault(model.weights_sha256, {"corpora": {}})
        entry |= {"model": model.name, "spec": spec, "width": model.width}
        books = manifest.setdefault("counts", {}).setdefault(STEP, {}).setdefault(model.name, {})
        for corpus in wanted:
            if Manifest.from_json(manifest).tables["samples"].files.get(corpus) != held[corpus]:
                raise InvalidTable(f"The samples of '{corpus}' were indexed anew meanwhile. Run again.")
            entry["corpora"][corpus] = _move_in(part, work, model, corpus, held[corpus].sha256, report.ledgers[corpus])
            books[corpus] = report.ledgers[corpus].entry()
    shutil.rmtree(work, ignore_errors=True)
    return report


def _list_done(study: Study, model: Model) -> dict[str, str]:
    """corpus -> the checksum of the samples that this model's embeddings in the study are of."""
    embedded = study.manifest.embeddings.get(model.weights_sha256, EmbeddingsEntry())
    return {
        corpus: entry.samples_sha256
        for corpus, entry in embedded.corpora.items()
        if all(path.is_file() for path in embedding_paths(study.folder, model.weights_sha256, corpus))
    }


def _embed_corpus(study: Study, corpus: str, model: Model, work: Path, say: StageProgress) -> Ledger:
    """Writes the features and sample_ids of a corpus into the work folder; the books count its samples."""
    ledger = Ledger()
    rows = study.query("SELECT count(*) AS rows FROM samples WHERE corpus = $corpus", corpus=corpus)["rows"].iloc[0]
    paths = embedding_paths(work, model.weights_sha256, corpus)
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    shapes = ((int(rows), model.width), np.float32), ((int(rows),), np.int64)
    features, sample_ids = (
        np.lib.format.open_memmap(path, "w+", dtype, shape) for path, (shape, dtype) in zip(paths, shapes, strict=True)
    )
    for start in range(0, int(rows), BLOCK):
        numbers, ids, places = _read_block(study, corpus, start, ledger)
        stop = min(start + BLOCK, int(rows))

        def tell(done: float, start: int = start, stop: int = stop) -> None:
            say(f"embedding {corpus}", (start + done * (stop - start)) / int(rows))

        encoded, readable = encode_places(model, places, ledger, find_kept(study.folder), tell)
        sample_ids[start:stop] = -1
        if len(readable):
            kept = start + numbers[readable]
            features[kept], sample_ids[kept] = encoded, ids[readable]
    features.flush()
    sample_ids.flush()
    return ledger


def _read_block(study: Study, corpus: str, start: int, ledger: Ledger) -> tuple[np.ndarray, np.ndarray, list[Place]]:
    """Of the samples from `start` on that have an image: their numbers in the block, sample_ids and places."""
    rows = study.query(
        """SELECT sample_id, image, "offset", length FROM samples WHERE corpus = $corpus
           ORDER BY sample_id LIMIT $block OFFSET $start""",
        corpus=corpus,
        block=BLOCK,
        start=start,
    )
    with_image = rows["image"].notna().to_numpy()
    ledger.take(dropped=int((~with_image).sum()), reason=WITHOUT_IMAGE)
    rows = rows[with_image]
    places = []
    for row in rows.itertuples(index=False):
        offset, length = (None if pd.isna(number) else int(number) for number in (row.offset, row.length))
        places.append((str(study.folder / row.image), offset, length))
    return np.flatnonzero(with_image), rows["sample_id"].to_numpy(), places


def _move_in(part: Path, work: Path, model: Model, corpus: str, samples: str, ledger: Ledger) -> dict:
    """Moves a corpus's two files from the work folder into the study; returns their entry in the manifest."""
    made = embedding_paths(work, model.weights_sha256, corpus)
    kept = embedding_paths(part, model.weights_sha256, corpus)
    kept[0].parent.mkdir(parents=True, exist_ok=True)
    for old, new in zip(made, kept, strict=True):
        shutil.move(old, new)
    return {"images": ledger.written, "samples_sha256": samples, "sha256": [file_sha256(path) for path in kept]}
