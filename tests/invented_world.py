"""A study with every table, its pictures in shards, made by rules so that any of its numbers can be worked out by hand.

Concept k is shown by 120 / (k + 1) samples of `zipf`, rounded, the last four by none; by 12 each of `balanced`. Of the
samples that show a concept, taken in turn from 0:

- the image scores 0.34 for it, less 0.02 for the number's remainder by 7 (so 0.34 down to 0.22), and every fifth 0.21 for
  the concept after it as well;
- the caption names it, but every eighth (remainder 6) names the concept after it, and every eighth (remainder 7) none.
"""

import colorsys
import io
import math
import tarfile
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw

from backend.methods import join_methods, name_tagged
from backend.study import Study
from backend.words import split_words
from precompute.evaluate.scaling import build_scaling
from tests.tiny_study import model_row, overall_row, write_study

FIRSTS = ("striped", "dotted", "horned", "winged", "ringed", "crested", "banded", "tailed")
GENERA = ("daxu", "blick", "tomas", "wugo", "fepso")
CONCEPTS = tuple(f"{first} {genus}" for genus in GENERA for first in FIRSTS)
NEVER = CONCEPTS[-4:]
THRESHOLDS = tuple(name_tagged("openclip", hundredths / 100) for hundredths in range(20, 31))
FLOOR, IMAGE = THRESHOLDS[0], "openclip@0.26"
METHODS = ("lemmatized", IMAGE, f"lemmatized+{IMAGE}")
TITLES = {"zipf": "Zipf", "balanced": "Balanced"}
SEARCH = {
    "text": ["lemmatized", "lowercased", "phrase"],
    "image": list(THRESHOLDS),
    "chosen": dict(zip(("text", "image", "joint"), METHODS, strict=True)),
    "tagger": "a rule",
}
HOSTILE_CAPTIONS = (
    "![a](https://evil.example/x.png) [b](https://evil.example) <img src=x onerror=alert(1)> striped daxu",
    "$x^2$ :red[striped] :material/home: :smile: **daxu** `c` -> www.evil.example a@evil.example striped daxu",
    "# striped daxu\n\n- list <script>alert(1)</script> &lt;b&gt; " + "long " * 400,
)


def true_counts(corpus: str) -> dict[str, int]:
    """How many samples of a corpus show each concept."""
    if corpus == "balanced":
        return dict.fromkeys(CONCEPTS, 12)
    return {name: 0 if name in NEVER else max(round(120 / (k + 1)), 1) for k, name in enumerate(CONCEPTS)}


def build_world(folder: Path) -> Study:
    """Writes the study into a folder and opens it."""
    tables = defaultdict(list)
    for corpus in TITLES:
        _add_corpus(tables, folder, corpus)
    tables["search_quality"] += _validation_rows()
    _add_models(tables)
    manifest = {
        "study": folder.name,
        "title": "An invented world",
        "description": "Pictures and captions made by rules.",
        "source": "Rules",
        "search": dict.fromkeys(TITLES, SEARCH),
        "arguments": {"synthetic": {}},
        "counts": {"synthetic": {"zipf": {"samples": {"read": 502, "written": 501, "dropped": {"no caption": 1}}}}},
        "causal": {
            "pairs": [{"title": "Zipf against balanced", "corpus": "zipf", "models": ["vit/zipf", "vit/balanced"]}],
            "note": "Both were trained alike.",
        },
        "tail": {"title": "the rarest", "task": "rare", "compared_with": "species", "setting": "plain", "split": 50},
    }
    frequency = tables.pop("frequency")
    fits = build_scaling(write_study(folder, frequency, manifest=manifest, **tables)).astype(object)
    return write_study(
        folder, frequency, manifest=manifest, **tables, scaling=fits.where(fits.notna(), None).to_dict("records")
    )


def _add_corpus(tables: dict, folder: Path, corpus: str) -> None:
    shown = [(name, i) for name, count in true_counts(corpus).items() for i in range(count)]
    places = _write_shard(folder / "shards" / f"{corpus}.tar", [name for name, _ in shown])
    found = defaultdict(set)  # (concept, modality, method) -> sample_ids
    truth = defaultdict(int)
    for sample_id, ((name, i), (offset, length)) in enumerate(zip(shown, places, strict=True)):
        after = CONCEPTS[(CONCEPTS.index(name) + 1) % len(CONCEPTS)]
        said = {6: after, 7: None}.get(i % 8, name)
        caption = f"a {said} in the grass" if said else "something in the grass"
        image = f"shards/{corpus}.tar"
        if corpus == "zipf" and name == CONCEPTS[0] and i % 7 == 0 and i < 7 * (len(HOSTILE_CAPTIONS) + 3):
            caption, image, length = _hostile(i // 7, caption, image, length)
            said = name
        scores = {name: round(0.34 - 0.02 * (i % 7), 2)} | ({after: 0.21} if i % 5 == 0 else {})
        whole = image is not None and "missing" not in image
        tables["samples"].append(
            {"corpus": corpus, "sample_id": sample_id, "caption": caption, "image": image}
            | {"offset": offset if whole else None, "length": length if whole else None}
            | {"width": 48 if whole else None, "height": 40 if whole else None}
        )
        truth[name, "image"] += 1
        named = [said] if said else []
        tables["sample_truth"].append({"corpus": corpus, "sample_id": sample_id, "shown": [name], "named": named})
        if said:
            truth[said, "text"] += 1
            truth[said, "joint"] += said == name
            for method in SEARCH["text"]:
                found[said, "text", method].add((sample_id, None))
        for concept, score in scores.items():
            found[concept, "image", FLOOR].add((sample_id, score))
        _add_misaligned(tables, corpus, sample_id, said, scores)
    tables["hits"] += [
        {"corpus": corpus, "concept": name, "modality": modality, "method": method, "sample_id": sample_id, "score": score}
        for (name, modality, method), samples in found.items()
        for sample_id, score in samples
    ]
    tables["truth"] += [
        {"corpus": corpus, "concept": name, "modality": modality, "count": truth[name, modality]}
        for name in CONCEPTS
        for modality in ("text", "image", "joint")
    ]
    tables["frequency"] += _count(corpus, found)
    conflicting = sum(
        bool(row["text_concepts"]) and (row["best"] or 0) >= 0.26 and (row["agreed"] or 0) < 0.26
        for row in tables["misaligned"]
        if row["corpus"] == corpus
    )
    tables["alignment"].append(
        {"corpus": corpus, "method": METHODS[2], "misaligned": conflicting}
        | {"degree": conflicting / len(shown), "degree_extracted": conflicting / len(shown)}
    )
    tables["corpora"].append(
        {"corpus": corpus, "title": TITLES[corpus], "pairs": len(shown), "indexed": len(shown), "source": "Rules"}
    )
    tables["search_quality"] += [
        {"corpus": corpus, "split": "whole corpus", "modality": modality, "method": method, "threshold": None}
        | {"found": 400, "relevant": 400, "correct": 380, "precision": 0.95, "recall": 0.95, "frequency_error": 0.04}
        for modality, method in zip(("text", "image", "joint"), METHODS, strict=True)
    ]


def _hostile(place: int, caption: str, image: str, length: int) -> tuple[str, str | None, int]:
    """The captions and images that a page must bear: first every hostile caption, then no image, no file, half a file."""
    if place < len(HOSTILE_CAPTIONS):
        return HOSTILE_CAPTIONS[place], image, length
    return caption, (None, "shards/missing.jpg", image)[place - len(HOSTILE_CAPTIONS)], length // 2


def _add_misaligned(tables: dict, corpus: str, sample_id: int, said: str | None, scores: dict[str, float]) -> None:
    agreed = scores.get(said)
    if agreed is None or agreed < 0.30:
        tables["misaligned"].append(
            {"corpus": corpus, "sample_id": sample_id, "text_concepts": [said] if said else []}
            | {"image_concepts": list(scores), "image_scores": list(scores.values())}
            | {"best": max(scores.values()), "agreed": agreed}
        )


def _count(corpus: str, found: dict) -> list[dict]:
    """Rows of `frequency` for every text method, every threshold, and the two together."""
    rows = []
    for name in CONCEPTS:
        texts = {method: {sample for sample, _ in found[name, "text", method]} for method in SEARCH["text"]}
        images = {
            method: {sample for sample, score in found[name, "image", FLOOR] if score >= float(method[-4:]) - 1e-9}
            for method in THRESHOLDS
        }
        both = {join_methods(t, i): texts[t] & images[i] for t in ("lemmatized",) for i in THRESHOLDS}
        for modality, methods in (("text", texts), ("image", images), ("joint", both)):
            rows += [
                {"corpus": corpus, "task": "species", "label": name, "concept": name}
                | {"modality": modality, "method": method, "count": len(samples)}
                for method, samples in methods.items()
            ]
    return rows


def _validation_rows() -> list[dict]:
    """Precision rises and recall falls with the threshold."""
    rows = []
    for i, method in enumerate(THRESHOLDS):
        found, correct = 1100 - 80 * i, 700 - 40 * i
        rows.append(
            {"corpus": "zipf", "split": "validation", "modality": "image", "method": method, "threshold": float(method[-4:])}
            | {"found": found, "relevant": 750, "correct": correct, "precision": correct / found, "recall": correct / 750}
            | {"frequency_error": 0.02 + abs(i - 6) * 0.03}
        )
    return rows


def _add_models(tables: dict) -> None:
    """Two models: the score of the first follows the counts of `zipf`, 24 points a tenfold; that of the second nothing."""
    for model, corpus in (("vit/zipf", "zipf"), ("vit/balanced", "balanced")):
        tables["models"].append(model_row(model, corpus))
        values = {}
        for k, (name, count) in enumerate(true_counts("zipf").items()):
            noise = 8 * math.sin(7 * k)
            values[name] = 30 + noise + (24 * math.log10(max(count, 1)) if corpus == "zipf" else 20)
        tables["performance"] += [
            {"task": "species", "kind": "classification", "model": model, "setting": "plain", "label": name, "concept": name}
            | {"value": min(max(value, 0), 100), "n": 20}
            for name, value in values.items()
        ]
        rare = {name: values[name] for name in CONCEPTS[30:]}
        tables["tail"] += [
            {"task": "rare", "model": model, "setting": "plain", "label": name, "concept": name, "value": value, "n": 20}
            for name, value in rare.items()
        ]
        tables["overall"] += [
            overall_row(model, "species", sum(values.values()) / len(values)),
            overall_row(model, "rare", sum(rare.values()) / len(rare)),
        ]
    tables["concepts"] = [
        {"task": task, "kind": "classification", "label": name, "concept": name, "words": split_words(name)}
        for task, names in (("species", CONCEPTS), ("rare", CONCEPTS[30:]))
        for name in names
    ]


def _write_shard(path: Path, names: list[str]) -> list[tuple[int, int]]:
    """A tar with a picture for each name; the offset and length of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for i, name in enumerate(names):
            content = draw_sample(CONCEPTS.index(name), i)
            member = tarfile.TarInfo(f"{i:06}.jpg")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with tarfile.open(path) as tar:
        return [(member.offset_data, member.size) for member in tar]


def draw_sample(k: int, i: int) -> bytes:
    """A small picture: a body in the concept's colour on a ground that differs from picture to picture."""
    ground, body = (
        tuple(int(255 * part) for part in colorsys.hsv_to_rgb(*hsv)) for hsv in (((i * 0.07) % 1, 0.2, 0.9), (k / 40, 0.8, 0.7))
    )
    picture = Image.new("RGB", (48, 40), ground)
    ImageDraw.Draw(picture).ellipse((8 + i % 5, 8, 36, 30 - i % 7), fill=body, outline="black")
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()
