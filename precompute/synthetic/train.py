"""Trains the small CLIPs of the embedded study, with open_clip's own model and loss.

Reads: nothing but the world's seed. Writes: a folder a model in open_clip's local-directory format, with a card.
Cost: see the cards; the CPU figures are for two cores.
The command: python -m precompute synthetic --train
"""

import hashlib
import json
import math
import os
import platform
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from multiprocessing import Manager, get_context
from pathlib import Path
from queue import Empty

import numpy as np
import torch
from open_clip import ClipLoss, build_zero_shot_classifier, create_model_and_transforms, get_tokenizer
from open_clip.model import CLIP
from safetensors.torch import save_file

from backend.errors import TailscopeError
from backend.models.catalogue import CARD, MODELS
from backend.models.loading import CONFIG
from backend.progress import StageProgress
from backend.writing import write_file
from precompute.synthetic.corpora import BALANCED, TAGGER, TEST, TEST_EACH, Plan, hash_world, plan_collection, plan_portraits
from precompute.synthetic.pictures import Studio
from precompute.synthetic.species import SEED, Species, draw_species

ARCHITECTURE = "RN-mini-64"
MODEL_CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic", "resize_mode": "shortest"}
WEIGHTS_NAME = "open_clip_model.safetensors"
PROMPT = "a photo of a {}."  # of the accuracy on the card
TOLERANCE = 3.0  # points of mean accuracy by which a model that is trained again may differ
MAX_LOGIT_SCALE = math.log(100)  # as open_clip's own training has it


@dataclass(frozen=True)
class Recipe:
    """How one model is trained; its card repeats it."""

    corpus: str
    epochs: int
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    seed: int = SEED
    model: dict = field(default_factory=lambda: MODEL_CONFIG)


RECIPES = {  # the longest first, so that two processes end at about the same time
    "zipf-20k": Recipe("zipf-20k", 24),
    BALANCED: Recipe(BALANCED, 24),
    "tagger": Recipe(TAGGER, 16),
    "zipf-5k": Recipe("zipf-5k", 40),
}


def train_models(
    out: Path = MODELS, say: StageProgress = lambda stage, done: None, *, processes: int | None = None, force: bool = False
) -> dict[str, dict]:
    """Trains all models, two at a time on a CPU, and returns their cards by name; what is finished in `out` stays.

    A process uses one thread, so that its sums come out the same however many cores there are, and about 2.5 GB. The state
    after every epoch is kept beside `out`: a killed training goes on from there. `force` trains every model anew.
    """
    work = out.with_name(f".{out.name}.training")
    missing = [name for name in RECIPES if force or _read_card(out / name).get("fingerprint") != _fingerprint(name)]
    if force:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    with Manager() as manager, ProcessPoolExecutor(processes or 2, get_context("spawn")) as pool:
        told = manager.Queue()
        trained = [pool.submit(train_model, name, out, work, told.put) for name in missing]
        try:
            while not all(one.done() for one in trained):
                _pass_on(told, say, trained)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        for one in trained:
            one.result()
    shutil.rmtree(work)
    return {name: _read_card(out / name) for name in RECIPES}


def _pass_on(told, say: StageProgress, trained: list[Future]) -> None:
    for one in trained:
        if one.done():
            one.result()  # raises what went wrong there
    try:
        say(*told.get(timeout=1))
    except Empty:
        return


def train_model(name: str, out: Path, work: Path, tell: Callable[[tuple[str, float]], None]) -> dict:
    """Trains one model of RECIPES from where `work` has it, writes it into `out`/`name`, and returns its card."""
    recipe = RECIPES[name]
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    species = draw_species(recipe.seed)
    studio = Studio(species, recipe.seed)
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    _write_config(folder, recipe.model)
    torch.manual_seed(recipe.seed)
    net, _, preprocess = create_model_and_transforms(f"local-dir:{folder}", pretrained=None, load_weights=False)
    tokenizer = get_tokenizer(f"local-dir:{folder}")
    net.to(device)

    plans = plan_collection(species, recipe.corpus, recipe.seed)
    images = _draw_pictures(studio, recipe.corpus, plans, preprocess, lambda done: tell((f"drawing for {name}", done)))
    tokens = tokenizer([plan.caption for plan in plans])
    history, seconds = _train(
        net, images, tokens, recipe, work / f"{name}.pt", device, lambda done: tell((f"training {name}", done))
    )
    card = {
        "model": f"{ARCHITECTURE}/{name}",
        "corpus": recipe.corpus,
        "pairs": len(plans),
        "epochs": recipe.epochs,
        "steps": recipe.epochs * (len(plans) // recipe.batch),
        "seed": recipe.seed,
        "recipe": asdict(recipe),
        "loss": history,
        "accuracy": _score(net, species, studio, preprocess, tokenizer, device),
        "tolerance": TOLERANCE,
        "seconds": round(seconds),
        "machine": _describe_machine(device),
        "trained": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": _fingerprint(name),
    }
    _write_model(out / name, net, card)
    (work / f"{name}.pt").unlink()
    return card


def _draw_pictures(studio: Studio, collection: str, plans: list[Plan], preprocess, tell) -> torch.Tensor:
    """The pictures as the model sees them (pairs, 3, side, side), in half precision: 25 KB each."""
    drawn = []
    for done, plan in enumerate(plans):
        drawn.append(preprocess(studio.develop(collection, plan.number, plan.shown)).half())
        if done % 500 == 0:
            tell(done / len(plans))
    return torch.stack(drawn)


def _train(net: CLIP, images: torch.Tensor, tokens: torch.Tensor, recipe: Recipe, path: Path, device: str, tell):
    """Trains in place; returns the mean loss of every epoch and the seconds it took, those before a kill included."""
    steps = len(images) // recipe.batch
    loss_of = ClipLoss()
    optimizer = torch.optim.AdamW(net.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps * recipe.epochs, pct_start=0.1
    )
    parts = {"net": net, "optimizer": optimizer, "schedule": schedule}
    history, seconds = _restore(path, parts)
    net.train()
    for epoch in range(len(history), recipe.epochs):
        start = time.monotonic()
        order = np.random.Generator(np.random.PCG64([recipe.seed, epoch])).permutation(len(images))
        total = 0.0
        for step in range(steps):
            rows = torch.from_numpy(order[step * recipe.batch : (step + 1) * recipe.batch])
            loss = loss_of(*net(images[rows].to(device).float(), tokens[rows].to(device)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                net.logit_scale.clamp_(0, MAX_LOGIT_SCALE)
            total += loss.item()
            if step % 10 == 0:
                tell((epoch + step / steps) / recipe.epochs)
        if not math.isfinite(total):
            raise TailscopeError(f"The training of {path.stem} came to no finite loss in epoch {epoch + 1}.")
        history.append(round(total / steps, 4))
        seconds += time.monotonic() - start
        _store(path, parts, history, seconds)
    net.eval()
    return history, seconds


def _store(path: Path, parts: dict, history: list[float], seconds: float) -> None:
    """The state after an epoch, through a temporary name."""
    state = {name: part.state_dict() for name, part in parts.items()}
    state |= {"fingerprint": _fingerprint(path.stem), "history": history, "seconds": seconds}
    with write_file(path) as part:
        torch.save(state, part)


def _restore(path: Path, parts: dict) -> tuple[list[float], float]:
    """Brings the parts to where a killed training left them; the state of another recipe or code is not used."""
    if not path.is_file():
        return [], 0.0
    state = torch.load(path, weights_only=True)
    if state["fingerprint"] != _fingerprint(path.stem):
        return [], 0.0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["history"], state["seconds"]


def _score(net: CLIP, species: tuple[Species, ...], studio: Studio, preprocess, tokenizer, device: str) -> dict:
    """Zero-shot accuracy in percent on portraits that no training has seen; chance for comparison."""
    portraits = plan_portraits(species, range(len(species)), TEST_EACH)
    images = _draw_pictures(studio, TEST, portraits, preprocess, lambda done: None)
    with torch.inference_mode():
        names = [one.name for one in species]
        classifier = build_zero_shot_classifier(net, tokenizer, names, [PROMPT.format], len(names), device)
        features = [net.encode_image(rows.to(device).float(), normalize=True) for rows in images.split(256)]
        chosen = (torch.cat(features) @ classifier).argmax(dim=1).cpu().numpy()
    right = chosen == np.array([portrait.shown[0] for portrait in portraits])
    return {"mean": round(100 * float(right.mean()), 2), "chance": round(100 / len(species), 2), "portraits": len(portraits)}


def _write_config(folder: Path, model: dict) -> None:
    config = {"model_cfg": model, "preprocess_cfg": PREPROCESS}
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _write_model(folder: Path, net: CLIP, card: dict) -> None:
    """The model in open_clip's local-directory format, weights in half precision; the card last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    _write_config(folder, card["recipe"]["model"])
    weights = {name: value.cpu() for name, value in net.state_dict().items()}
    halved = {name: value.half().contiguous() if value.is_floating_point() else value for name, value in weights.items()}
    with write_file(folder / WEIGHTS_NAME) as part:
        save_file(halved, part)
    with write_file(folder / CARD) as part:
        part.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _read_card(folder: Path) -> dict:
    path = folder / CARD
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


@cache
def _fingerprint(name: str) -> str:
    """Changes with the recipe and with the world: a model or a state of another one is not used."""
    recipe = RECIPES[name]
    return hashlib.sha256(f"{json.dumps(asdict(recipe))} {hash_world(recipe.seed)}".encode()).hexdigest()


def _describe_machine(device: str) -> str:
    name = torch.cuda.get_device_name() if device == "cuda" else f"{platform.machine()} CPU, 1 of {os.cpu_count()} cores"
    return f"{name}, torch {torch.__version__}"
