"""Photos held against the invented world: which the probe knows to be none of its pictures, and which of its own it keeps.

Reads: the embedded study, and the photos of ../shared/data beside the checkout. The command: python -m benchmarks.foreign
The limit is set on the study's largest corpus; the pictures of the other corpora and of the tasks are new to it. "Best
similarity" and "features" are what the probe could go by instead, each with a limit that keeps as many of the study's own.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from rich.console import Console
from rich.table import Table

from backend.images import decode_image, read_image_bytes
from backend.models.catalogue import MODELS
from backend.models.encode import Model
from backend.models.loading import load_model
from backend.models.prompts import build_classifier
from backend.probe.appearance import KEPT, Appearance, measure_pictures
from backend.probe.reference import learn_appearance
from backend.study import ROOT, STUDIES, Study

PHOTOS = ROOT.parent / "shared" / "data"
FOLDERS = ("flickr8k-1000", "coco-mini", "caltech101-mini")
OWN = 768  # pictures of every corpus
SHIPPED = ("zipf-20k", "balanced-20k", "zipf-5k")


def read_own(study: Study, corpus: str, count: int = OWN) -> list[Image.Image]:
    """So many pictures of a corpus, drawn by lot; others than `learn_appearance` draws."""
    rows = study.query(
        """SELECT image, "offset", length FROM samples WHERE corpus = $corpus AND image IS NOT NULL
           ORDER BY hash(sample_id) DESC, sample_id LIMIT $count""",
        corpus=corpus,
        count=count,
    )
    places = rows.itertuples(index=False)
    return [decode_image(read_image_bytes(study.folder, row.image, row.offset, row.length)) for row in places]


def read_photos(folder: Path) -> list[Image.Image]:
    """All photos below a folder."""
    return [decode_image(path.read_bytes()) for path in sorted(folder.rglob("*.jpg"))]


def tell_apart(own: np.ndarray, foreign: np.ndarray) -> tuple[float, float]:
    """(% of the own kept, % of the foreign rejected) by distances, with the limit set on one half of the own."""
    setting, testing = np.array_split(own, 2)
    limit = np.quantile(setting, KEPT)
    return 100.0 * float((testing <= limit).mean()), 100.0 * float((foreign > limit).mean())


def compare_ways(model: Model, names: Sequence[str], own: list[Image.Image], photos: list[Image.Image]) -> pd.DataFrame:
    """way, kept, rejected: what else tells photos from the study's pictures, by one model."""
    features, others = model.encode_images(own), model.encode_images(photos)
    classifier = build_classifier(model, names, "ensemble")
    fitting, rest = features[:256], features[256:]
    ways = {
        "best similarity": [-(each @ classifier.T).max(axis=1) for each in (rest, others)],
        "features, nearest picture": [-(each @ fitting.T).max(axis=1) for each in (rest, others)],
    }
    center, precision = fitting.mean(axis=0), np.linalg.inv(np.cov(fitting.T) + 1e-4 * np.eye(fitting.shape[1]))
    ways["features, Mahalanobis"] = [
        np.einsum("ij,jk,ik->i", each - center, precision, each - center) for each in (rest, others)
    ]
    return pd.DataFrame([(way, *tell_apart(*pair)) for way, pair in ways.items()], columns=["way", "kept", "rejected"])


def main() -> None:
    """Prints the tables."""
    console, study = Console(), Study(STUDIES / "synthetic")
    photos = {folder: read_photos(PHOTOS / folder) for folder in FOLDERS}
    with tempfile.TemporaryDirectory() as folder:
        appearance = learn_appearance(study, Path(folder))
    table = Table("pictures", "number", "found foreign", title="By colours and texture")
    for name, pictures in photos.items():
        table.add_row(name, f"{len(pictures):,}", f"{_share_foreign(appearance, pictures):.1f}%")
    for corpus in study.list_corpora("samples"):
        pictures = read_own(study, corpus)
        table.add_row(f"its own: {corpus}", f"{len(pictures):,}", f"{_share_foreign(appearance, pictures):.1f}%")
    console.print(table)
    console.print(appearance.sentence)
    own, every = read_own(study, study.list_corpora("samples")[0]), [one for each in photos.values() for one in each]
    names = study.query("SELECT DISTINCT concept FROM concepts ORDER BY concept")["concept"].tolist()
    table = Table("model", "told by", "of its own kept", "photos found foreign", title="By what a model sees")
    for shipped in SHIPPED:
        for row in compare_ways(load_model(str(MODELS / shipped)), names, own, every).itertuples(index=False):
            table.add_row(shipped, row.way, f"{row.kept:.1f}%", f"{row.rejected:.1f}%")
    console.print(table)


def _share_foreign(appearance: Appearance, pictures: list[Image.Image]) -> float:
    return 100.0 * float((appearance.measure(measure_pictures(pictures)) > appearance.limit).mean())


if __name__ == "__main__":
    main()
