"""Which models there are to look through: those shipped with the embedded study, and open_clip's pretrained ones."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.models.loading import count_weights, list_tags
from backend.study import ROOT

MODELS = ROOT / "data" / "models"  # shipped: a folder each in open_clip's format, with a card.json
CARD = "card.json"
WEIGHT_BYTES = 4  # of one weight in float32, as nearly all are published


@dataclass(frozen=True)
class ModelChoice:
    """A model to choose: `spec` loads it; `here`, whether its weights are on this machine; `note`: what is known of it."""

    spec: str
    title: str
    here: bool
    note: str


def list_shipped(folder: Path = MODELS) -> list[ModelChoice]:
    """The small models that lie in a folder with their cards, by name; none where there is no such folder.

    A card that cannot be read leaves the model its folder's name.
    """
    found = []
    for path in sorted(folder.glob(f"*/{CARD}")):
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
            title, corpus = str(card["model"]), card.get("corpus")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            title, corpus = path.parent.name, None
        note = f"shipped; trained on {corpus}" if corpus else "shipped"
        found.append(ModelChoice(name_folder(path.parent), title, True, note))
    return found


def list_openclip() -> list[ModelChoice]:
    """Every pretrained model of open_clip, those on this machine first. The first call imports open_clip: some seconds."""
    found = [
        ModelChoice(f"{name}:{tag}", f"{name}/{tag}", here, "on this machine" if here else "needs a download")
        for name, tag, here in list_tags()
    ]
    return sorted(found, key=lambda choice: not choice.here)


@lru_cache(maxsize=256)
def describe_download(spec: str) -> str:
    """What fetching the weights of "ARCH:TAG" comes to. Asks no network: an estimate by the architecture's weights.

    The net is sketched without its numbers, in 0.2 to 2 s.
    """
    weights = count_weights(spec.partition(":")[0])
    if weights is None:
        return "size unknown"
    return f"about {weights * WEIGHT_BYTES / 1e6:,.0f} MB, by {weights / 1e6:,.0f} million weights of {WEIGHT_BYTES} bytes"


def name_folder(folder: Path) -> str:
    """A model's folder as the checkout names it, where it lies in it and the program runs there."""
    return str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) and Path.cwd() == ROOT else str(folder)
