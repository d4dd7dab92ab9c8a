"""A small release in the paper's layout, with the quirks of the real one and answers that can be worked out by hand.

The line behind it: under CC-3M's `lemmatized` counts of 1, 10, 100, 1000 (x = 0 to 3), RN50/cc3m's ensemble accuracy
is a task's base + 10 x, three points above it, three below or right on it, the same for every x of a ladder; the mean
of x is 1.5 in each task. So the slope of every task, the pooled slope and the slope within tasks are exactly 10.
"""

import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TOP = "frequency_determines_performance-main"


def _names(listed: str) -> list[str]:
    return " ".join(listed.split()).split(", ")


CIFAR10 = _names("airplane, car, bird, cat, deer, dog, frog, horse, ship, truck")
IMAGENET = _names(
    "tench, goldfish, jeans, crane, great white shark, tabby cat, wombat, espresso, lighthouse, violin, canoe, acorn"
)
FLOWERS102 = _names(
    """rose, colt's foot, pink primrose, sunflower, daffodil, foxglove, bee balm, snapdragon, magnolia, petunia,
    water lily, iris"""
)
CUB = _names(
    """Black footed Albatross, crane, Sooty Albatross, Indigo Bunting, Cardinal, Gray Catbird, Fish Crow, Mallard,
    Ovenbird, Horned Lark, Blue Jay, Bank Swallow"""
)
IMAGENET_R = _names(
    """afghan_hound, African_chameleon, axolotl, beagle, broccoli, candle, cowboy_hat, flamingo, hammer, ice_cream,
    jellyfish, wine_bottle"""
)
COCO = _names("dog, umbrella, skateboard, giraffe, pizza, laptop, sheep, kite, bench, vase, oven, scissors")
T2I = _names("acadian flycatcher, bank swallow, airplane, adult, castle, robot, spoon, violin, cat, forest, clock, bridge")
TAIL = _names(
    """A300B4, A310, Acadian_Flycatcher, Affenpinscher, African_rock_python, Alder_Flycatcher, An-12, Artic_Tern,
    BAE-125, Bank_Swallow, Bells_Vireo, Brandt_Cormorant"""
)

RN50 = "backboneRN50_pretrainedcc3m"
VIT = "backboneViT-B-32_pretrainedlaion400m"
DATACOMP = "backboneViT-B-32_pretraineddatacomp"  # no corpus of the release

LADDER = [1, 10, 100, 1000] * 3
SHIFTS = [3.0] * 4 + [-3.0] * 4 + [0.0] * 4
RISES = {1: 0.0, 10: 10.0, 100: 20.0, 1000: 30.0}


def release_files() -> dict[str, dict | str]:
    """Every file of the small release: its path below the root, and the JSON object or the text that it holds."""
    return {
        "README.md": "Not part of the results.",
        **{f"search_counts/{name}_search_counts.json": rows for name, rows in _counts().items()},
        **{f"zero_shot_evaluations/{name}_results.json": models for name, models in _zero_shot().items()},
        **_retrieval(),
        **_generation(),
        "misalignment_metrics/cc3m_misalignment_degree.json": _alignment(557_683, 0.1787, 0.1681),
        "misalignment_metrics/laion400m_misalignment_degree.json": _alignment(21_996_097, 0.0704, 0.0531),
        **_tail(),
    }


def _pair(labels: Iterable[str], values: Iterable) -> dict:
    return dict(zip(labels, values, strict=True))


def _counts() -> dict[str, dict[str, int]]:
    """`label -> count` of every task, corpus and method."""
    return {
        "cifar10_cc3m_lemmatized": _pair(CIFAR10, [*LADDER[:8], 10, 100]),
        "imagenet_cc3m_lemmatized": _pair(IMAGENET, LADDER),
        "flowers102_cc3m_lemmatized": _pair(FLOWERS102, LADDER),
        "cub_cc3m_lemmatized": _pair(CUB, LADDER),  # crane: 10 here, 1000 under imagenet
        "imagenet-r_cc3m_lemmatized": _pair((label.replace("_", " ") for label in IMAGENET_R), LADDER),
        "imagenet_cc3m_rampp0.7": _pair(IMAGENET, [0, 0, 7, 70, 700, 7000] * 2),
        "imagenet_cc3m_integrated_tlemmatized_i0.7": _pair(IMAGENET, [0, 0, 7, 70, 1, 10] * 2),
        "coco_cc3m_lemmatized": _pair(COCO, LADDER),
        "coco_cc3m_rampp0.7": _pair([*COCO, ""], [*LADDER, 5]),  # the empty label of the full file
        # LAION-400M loses `rose` and `jeans` to capital letters; of `colt's foot` it looks for the foot alone.
        "flowers102_laion400m_lemmatized": _pair(FLOWERS102, [0, 383_805, *LADDER[2:]]),
        "flowers102_laion400m_lowercased": {
            "rose": 257_038,
            "colt's foot": 1,
            "iris": 40,
            "petunia": 2,
            "magnolia": 9,
        },
        "flowers102_laion400m_rampp0.7": _pair(FLOWERS102, [3_347_335, 582, *LADDER[2:]]),
        "imagenet_laion400m_lemmatized": _pair(IMAGENET, [5, 50, 0, *LADDER[3:]]),
        # LAION-Aesthetics spells birds one way in text counts, another way in image counts.
        "t2i_laion_aesthetics_lemmatized": _pair(T2I, [0, 20, *LADDER[2:]]),
        "t2i_laion_aesthetics_rampp0.7": _pair(["Acadian_Flycatcher", "Bank_Swallow", *T2I[2:]], [3, 30, *LADDER[2:]]),
    }


def _zero_shot() -> dict[str, dict]:
    """Accuracies in percent: one model on the line of this module's docstring, one flat, one falling by label."""

    def score(base: float, labels: list[str], rungs: list[int]) -> dict:
        shifts = SHIFTS[: len(rungs)]
        return {
            RN50: {
                "full": base + 15,
                "classwise": _pair(labels, (base + RISES[rung] + shift for rung, shift in zip(rungs, shifts, strict=True))),
            },
            VIT: {"full": 60.0, "classwise": dict.fromkeys(labels, 60.0)},
            DATACOMP: {"full": 70.0, "classwise": {label: 70.0 - k for k, label in enumerate(labels)}},
        }

    return {
        "cifar10_ensemble": score(40.0, ["plane", *CIFAR10[1:]], [*LADDER[:8], 10, 100]),
        "imagenet_ensemble": score(10.0, IMAGENET, LADDER),
        "imagenet_class": score(4.0, IMAGENET, LADDER),
        "flowers102_ensemble": score(20.0, FLOWERS102, LADDER),
        "cub_ensemble": score(5.0, CUB, LADDER),
        "imagenet-r_ensemble": score(30.0, IMAGENET_R, LADDER),
    }


def _retrieval() -> dict[str, dict]:
    """Recalls as fractions; COCO has the empty label here too."""
    rising = {**_pair(COCO, [0.125, 0.25, 0.375, 0.5] * 3), "": 0.5}
    return {
        "retrieval_evaluations/coco_i2t_k=1_results.json": {
            RN50: {"full": 0.25, "conceptwise": rising},
            VIT: {"full": 0.5, "conceptwise": dict.fromkeys(COCO, 0.5)},
        },
        "retrieval_evaluations/coco_t2i_k=10_results.json": {
            RN50: {"full": 0.75, "conceptwise": dict.fromkeys(COCO, 0.75)},
        },
    }


def _generation() -> dict[str, dict]:
    """Text-to-image models under their own names, a list of scores per concept."""
    return {
        "t2i_evaluations/t2i_human_align.json": {
            "DeepFloyd_IF-I-L-v1.0": {"full": 3.5, "classwise": {label: [4.0, 3.0] for label in T2I}},
            "craiyon_dalle-mini": {
                "full": 2.5,
                "classwise": {label: [2.5] for label in T2I} | {"adult": [1.0, 2.0, 4.5]},
            },
        },
    }


def _alignment(misaligned: int, extracted: float, fixed: float) -> dict:
    return {
        "misalignment_counts": misaligned,
        "misalignment_degree (percent); extracted dataset size": extracted,
        "misalignment_degree (percent); fixed conservative dataset size": fixed,
    }


def _tail() -> dict[str, dict | str]:
    """Let it Wag!: two models that the ImageNet file scores, and two whose ImageNet accuracy a notebook holds."""
    fulls = {
        RN50: 4.0,
        VIT: 40.0,
        "backboneViT-B-32_pretrainedopenai": 30.0,
        "backboneViT-H-14_pretraineddfn": 66.0,
    }
    return {
        "let_it_wag_datasets/let_it_wag_class_list.txt": "".join(f'"{label}"\n' for label in TAIL),
        "let_it_wag_datasets/evaluations/let_it_wag_ensemble_results.json": {
            model: {"full": full, "classwise": _pair(TAIL, [full + 1] * 6 + [full - 1] * 6)} for model, full in fulls.items()
        },
    }


@dataclass(frozen=True)
class Entry:
    """One more member of an archive: a file below the top folder, or a link there; `outside` keeps `path` as it is."""

    path: str
    content: bytes = b""
    link: str = ""
    hard: bool = False
    outside: bool = False


_FOOD = "search_counts/food101_cc3m_lemmatized_search_counts.json"
_FOOD_SCORES = "zero_shot_evaluations/food101_class_results.json"


def _food_scores(value: str) -> Entry:
    models = f'{{"{RN50}": {{"full": 50.0, "classwise": {{"waffles": 10.0, "apple pie": {value}}}}}}}'
    return Entry(_FOOD_SCORES, models.encode())


HOSTILE = {
    "symlink": Entry(_FOOD, link="../README.md"),
    "hard link": Entry(_FOOD, link=f"{TOP}/README.md", hard=True),
    "parent path": Entry("../escape.json", b"{}", outside=True),
    "hidden parent path": Entry(f"{TOP}/search_counts/../../escape.json", b"{}", outside=True),
    "absolute path": Entry("/escape.json", b"{}", outside=True),
    "cut off": Entry(_FOOD, b'{"waffles": 1'),
    "not UTF-8": Entry(_FOOD, b'{"waffles\xff": 1}'),
    "half a surrogate pair": Entry(_FOOD, b'{"waffles\\ud800": 1}'),
    "nested too deep": Entry(_FOOD, b"[" * 200_000),
    "list": Entry(_FOOD, b"[1, 2]"),
    "empty object": Entry(_FOOD, b"{}"),
    "duplicate label": Entry(_FOOD, b'{"waffles": 1, "waffles": 2}'),
    "misnamed": Entry("search_counts/food101_search_counts.json", b'{"waffles": 1}'),
    "standing twice": Entry("search_counts/cifar10_cc3m_lemmatized_search_counts.json", b'{"waffles": 1}'),
    "negative count": Entry(_FOOD, b'{"waffles": 1, "apple pie": -1}'),
    "boolean count": Entry(_FOOD, b'{"waffles": 1, "apple pie": true}'),
    "float count": Entry(_FOOD, b'{"waffles": 1, "apple pie": 1.0}'),
    "text count": Entry(_FOOD, b'{"waffles": 1, "apple pie": "1"}'),
    "null count": Entry(_FOOD, b'{"waffles": 1, "apple pie": null}'),
    "huge count": Entry(_FOOD, b'{"waffles": 1, "apple pie": 9223372036854775808}'),
    "blank label": Entry(_FOOD, b'{"waffles": 1, " _": 2}'),
    "NaN score": _food_scores("NaN"),
    "infinite score": _food_scores("Infinity"),
    "score above 100": _food_scores("100.5"),
    "negative score": _food_scores("-0.5"),
    "score as text": _food_scores('"50"'),
    "score of 400 digits": _food_scores("1" + "0" * 400),
}
"""Entries that an importer must refuse or drop, by what is wrong with them; none of them costs the rest anything."""


def _encode(content: dict | str) -> bytes:
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def write_archive(path: Path, extra: Iterable[Entry] = (), files: dict[str, dict | str] | None = None) -> Path:
    """Writes the release as GitHub packs it, one top folder in a .tar.gz, and returns its path."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (release_files() if files is None else files).items():
            _add(archive, Entry(name, _encode(content)))
        for entry in extra:
            _add(archive, entry)
    return path


def _add(archive: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path if entry.outside else f"{TOP}/{entry.path}")
    if entry.link:
        info.type = tarfile.LNKTYPE if entry.hard else tarfile.SYMTYPE
        info.linkname = entry.link
    info.size = len(entry.content)
    archive.addfile(info, io.BytesIO(entry.content))


def write_folder(root: Path, files: dict[str, dict | str] | None = None) -> Path:
    """Writes the release as a folder and returns its path."""
    for name, content in (release_files() if files is None else files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_encode(content))
    return root
