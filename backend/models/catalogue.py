"""Which models there are to look through, and which of them a visitor may ask for.

Offered are those that lie in declared folders, the shipped ones first, and open_clip's pretrained ones. What else a visitor
names by its place is opened only where whoever runs the server allows that (`backend.settings`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.errors import TailscopeError
from backend.models.loading import CONFIG, is_tag, list_tags, split_spec
from backend.models.sketch import count_weights
from backend.settings import ALLOW_DOWNLOADS, ALLOW_PATHS, MODEL_ROOTS, ModelSettings
from backend.study import ROOT

MODELS = ROOT / "data" / "models"  # shipped: a folder each in open_clip's format, with a card.json
CARD = "card.json"
WEIGHT_BYTES = 4  # of one weight in float32, as nearly all are published
DEPTH = 3  # folders below a declared one that are looked through

NO_DOWNLOADS = (
    f"This server does not let visitors fetch weights. Who runs it can allow that: {ALLOW_DOWNLOADS}=1 in its environment."
)


@dataclass(frozen=True)
class ModelChoice:
    """A model to choose: `spec` loads it; `here`, whether its weights are on this machine; `note`: what is known of it;
    `corpus`: what a shipped one was trained on, as its card says."""

    spec: str
    title: str
    here: bool
    note: str
    corpus: str | None = None


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
        found.append(ModelChoice(name_folder(path.parent), title, True, note, str(corpus) if corpus else None))
    return found


def list_offered(roots: Sequence[Path], shipped: Path = MODELS) -> list[ModelChoice]:
    """The shipped models, then those in open_clip's format up to `DEPTH` folders below the roots, each by its place there.

    A root that is not there holds none.
    """
    found = {choice.title: choice for choice in list_shipped(shipped)}
    for root in roots:
        places = {path.parent for depth in range(DEPTH + 1) for path in root.glob("*/" * depth + CONFIG)}
        for place in sorted(places):
            title = root.name if place == root else place.relative_to(root).as_posix()
            title = str(place) if title in found else title  # two roots may hold models of one name
            found[title] = ModelChoice(str(place), title, True, "in a declared folder")
    return list(found.values())


def list_openclip() -> list[ModelChoice]:
    """Every pretrained model of open_clip, those on this machine first. The first call imports open_clip: some seconds."""
    found = [
        ModelChoice(f"{name}:{tag}", f"{name}/{tag}", here, "on this machine" if here else "needs a download")
        for name, tag, here in list_tags()
    ]
    return sorted(found, key=lambda choice: not choice.here)


def check_spec(spec: str, settings: ModelSettings, shipped: Path = MODELS) -> None:
    """Raises TailscopeError where a visitor may not ask for the model that a spec names.

    A tag of open_clip's may be asked for, and what lies in the folder of shipped models or a declared one; other places where
    the settings allow it. Nothing is opened to find that out, and the message is the same whether a place exists or not.
    """
    architecture, weights = split_spec(spec)
    roots = (shipped, *settings.roots)
    if settings.paths or any(_lies_in(place, root) for place in (spec, weights) for root in roots):
        return
    if architecture and is_tag(architecture, weights):
        return
    raise TailscopeError(
        f"“{spec[:200]}” is none of the models that this server offers. Who runs it can offer more by {MODEL_ROOTS}=FOLDER in "
        f"its environment, or let visitors name any place on its machine by {ALLOW_PATHS}=1."
    )


@lru_cache(maxsize=256)
def describe_download(spec: str) -> str:
    """What fetching the weights of "ARCH:TAG" comes to, a sentence. Asks no network: an estimate by the net's weights.

    The net is sketched without its numbers, in 0.2 to 2 s.
    """
    weights = count_weights(split_spec(spec)[0])
    if weights is None:
        return "How many megabytes that takes is not known beforehand: a part of the model is described on the network alone."
    return (
        f"Fetching them takes about {weights * WEIGHT_BYTES / 1e6:,.0f} MB, by {weights / 1e6:,.0f} million weights of "
        f"{WEIGHT_BYTES} bytes."
    )


def name_folder(folder: Path) -> str:
    """A model's folder as the checkout names it, where it lies in it and the program runs there."""
    return str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) and Path.cwd() == ROOT else str(folder)


def _lies_in(place: str, root: Path) -> bool:
    """Whether a place is below a folder, by its name: links in there are the operator's own, and with `..` it is not."""
    path = Path(place)
    return bool(place) and ".." not in path.parts and path.absolute().is_relative_to(root.absolute())
