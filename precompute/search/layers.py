"""Layers: the concepts that shards were searched for together, each a file of the work folder.

Whether a caption or an image hits a concept hangs on that concept alone. So what was found of a layer stays true when more
concepts are asked for: only those that no layer has are searched for, as a layer of their own.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from backend.writing import write_file

MOST_LAYERS = 8  # of one search: a shard has a file for each; where more would be needed, the small ones are searched as one


@dataclass(frozen=True)
class Layer:
    """Concepts by rising name, numbered so in the hits of the layer."""

    concepts: tuple[str, ...]

    @cached_property
    def name(self) -> str:
        """A checksum of the concepts, which files are named by."""
        return hashlib.sha256(json.dumps(self.concepts).encode()).hexdigest()[:16]


def number_layers(layers: Sequence[Layer], concepts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """For each layer the number that each of its concepts has among others; -1 for one that is not among them.

    A concept that two layers have is one of the first alone.

    >>> number_layers([Layer(("ant", "bee", "cow")), Layer(("cow", "doe"))], ["ape", "bee", "cow", "doe"])
    ((-1, 1, 2), (-1, 3))
    """
    left = {concept: number for number, concept in enumerate(concepts)}
    return tuple(tuple(left.pop(concept, -1) for concept in layer.concepts) for layer in layers)


def choose_layers(folder: Path, wanted: Sequence[str]) -> tuple[Layer, ...]:
    """Layers that have all wanted concepts between them, each concept of the search in one of them at least.

    Those that the folder knows are taken, the largest first, where most of a layer's concepts are wanted and no other has them;
    the concepts that are left make a new one, which the folder knows from now on.
    """
    left, chosen = set(wanted), []
    for layer in sorted(_read_layers(folder), key=lambda layer: (-len(layer.concepts), layer.concepts)):
        wanted_of_it = left.intersection(layer.concepts)
        if len(chosen) < MOST_LAYERS - 1 and 2 * len(wanted_of_it) > len(layer.concepts):
            chosen.append(layer)
            left -= wanted_of_it
    if left or not chosen:
        chosen.append(_store_layer(folder, Layer(tuple(sorted(left)))))
    return tuple(chosen)


def _read_layers(folder: Path) -> list[Layer]:
    paths = sorted(folder.glob("[!.]*.json"))
    return [Layer(tuple(json.loads(path.read_text(encoding="utf-8")))) for path in paths]


def _store_layer(folder: Path, layer: Layer) -> Layer:
    folder.mkdir(parents=True, exist_ok=True)
    with write_file(folder / f"{layer.name}.json") as part:
        part.write_text(json.dumps(layer.concepts), encoding="utf-8")
    return layer
