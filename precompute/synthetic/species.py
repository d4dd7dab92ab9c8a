"""The species of the invented world: their names, their genotypes and how each one looks.

Everything follows from one seed. A third of the species have two-word names: three of a genus share the last word and
the silhouette ("crested dalu", "banded dalu"), and the first word says what sets them apart.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from backend.words import lemma

SEED = 20_240_404
SINGLES = 360  # species with a name of one word
GENERA = 60  # groups that share a word and a silhouette
PER_GENUS = 3
SPRITE = 96  # pixels: the side of a species' own drawing

TEXTURES = ("plain", "banded", "striped", "spotted", "ringed", "chequered", "marbled", "capped")
GARMENTS = ("bare", "crested", "horned", "finned", "whiskered", "tailed")
FIRST_WORDS = TEXTURES[1:] + GARMENTS[1:]

_ONSETS = (*"bdfgklmnprstvz", "br", "dr", "kr", "pl", "tr", "sk", "gl", "fl", "th")
_VOWELS = (*"aeiou", "ai", "au", "oa")
_CODAS = ("", "", "", "", "n", "r", "l", "m", "k", "t")


@dataclass(frozen=True)
class Species:
    """One invented species. Angles are in radians, hues in turns, lengths in radii of the body."""

    number: int
    name: str
    waves: tuple[float, ...]  # how far the outline swings out in 2, 3, 4, 5 and 7 waves
    length: float  # body length over body height
    texture: str
    garment: str
    repeats: int  # of the texture, and of whatever the garment has several of
    hue: float
    second_hue: float
    shade: float  # lightness of the body, 0 to 1
    eyes: int


def pluralise(name: str) -> str:
    """The regular plural of an invented name."""
    return name + ("es" if name.endswith(("s", "z", "x", "ch", "sh")) else "s")


@cache
def draw_species(seed: int = SEED) -> tuple[Species, ...]:
    """All species of the world, in the order of their numbers: first those with one-word names, then genus by genus."""
    rng = np.random.default_rng([seed, 0])
    words = _draw_words(rng, SINGLES + GENERA)
    species = [_draw_genotype(rng, number, words[number]) for number in range(SINGLES)]
    for genus in words[SINGLES:]:
        parent = _draw_genotype(rng, 0, genus)
        for first in rng.choice(len(FIRST_WORDS), PER_GENUS, replace=False):
            child = _draw_genotype(rng, len(species), f"{FIRST_WORDS[first]} {genus}")
            species.append(_inherit(child, parent, FIRST_WORDS[first]))
    return tuple(species)


def _draw_words(rng: np.random.Generator, count: int) -> list[str]:
    """Distinct pronounceable words whose plural has them as its lemma, so that both are found as one."""
    words: dict[str, None] = {}
    while len(words) < count:
        syllables = [
            rng.choice(_ONSETS) + rng.choice(_VOWELS) + (rng.choice(_CODAS) if last else "")
            for last in ((False, True), (False, False, True))[rng.integers(2)]
        ]
        word = "".join(syllables)
        if lemma(word) == word and lemma(pluralise(word)) == word:
            words[word] = None
    return list(words)


def _draw_genotype(rng: np.random.Generator, number: int, name: str) -> Species:
    hue = rng.random()
    return Species(
        number=number,
        name=name,
        waves=tuple(rng.uniform(-1, 1, 5) * (0.22, 0.2, 0.16, 0.13, 0.08)),
        length=rng.uniform(0.85, 1.9),
        texture=TEXTURES[rng.integers(len(TEXTURES))],
        garment=GARMENTS[rng.integers(len(GARMENTS))],
        repeats=int(rng.integers(3, 7)),
        hue=hue,
        second_hue=(hue + rng.uniform(0.2, 0.8)) % 1,
        shade=rng.uniform(0.42, 0.68),
        eyes=int(rng.integers(1, 4)),
    )


def _inherit(child: Species, parent: Species, first: str) -> Species:
    """The child with its genus' outline, eyes and number of repeats, and with what its first word says."""
    told = {"texture": first, "garment": "bare"} if first in TEXTURES else {"texture": "plain", "garment": first}
    inherited = {name: getattr(parent, name) for name in ("waves", "length", "repeats", "eyes")}
    return Species(**(vars(child) | inherited | told))


def draw_sprite(species: Species) -> Image.Image:
    """The species by itself on a transparent ground, RGBA, SPRITE pixels square, its head to the right."""
    y, x = (np.mgrid[:SPRITE, :SPRITE] + 0.5 - SPRITE / 2) / (SPRITE * 0.23)
    stretch = np.sqrt(species.length)
    angle, radius = np.arctan2(y * stretch, x / stretch), np.hypot(y * stretch, x / stretch)
    inside = _outline(species, angle) - radius
    body = _coverage(inside, 0.05)
    garment = _draw_garment(species, x, y, angle, radius)
    base, second = _colour(species.hue, species.shade), _colour(species.second_hue, 1.1 - species.shade)
    pattern = _draw_texture(species, x, y, angle, radius)[..., None]
    light = 1.08 + 0.28 * np.clip(-y, -1, 1)[..., None] - 0.35 * np.exp(-np.clip(inside, 0, None) * 5)[..., None]
    colours = (base * (1 - pattern) + second * pattern) * light
    colours = colours * body[..., None] + second * 0.8 * (1 - body[..., None])
    edge = np.exp(-((inside / 0.06) ** 2))[..., None] * 0.75
    colours = colours * (1 - edge) + 0.12 * edge
    colours = _draw_eyes(species, colours, x, y)
    alpha = np.maximum(body, garment)
    pixels = np.concatenate([np.clip(colours, 0, 1), alpha[..., None]], axis=2)
    return Image.fromarray(np.rint(pixels * 255).astype(np.uint8), "RGBA")


def _outline(species: Species, angle: np.ndarray) -> np.ndarray:
    """The body's radius in every direction; a mirror image above and below, as of most things that swim."""
    waves = zip((2, 3, 4, 5, 7), species.waves, strict=True)
    return 1 + sum(height * np.cos(count * angle) for count, height in waves)


def _coverage(signed: np.ndarray, width: float) -> np.ndarray:
    """1 well inside, 0 well outside, a soft step of `width` between."""
    return np.clip(signed / width + 0.5, 0, 1)


def _colour(hue: float, lightness: float) -> np.ndarray:
    """A lively RGB colour, 0 to 1."""
    wheel = 0.5 + 0.5 * np.cos(2 * np.pi * (hue - np.array([0, 1, 2]) / 3))
    return np.clip(wheel * 0.85 + (lightness - 0.45), 0.05, 0.98)


def _draw_texture(species: Species, x, y, angle, radius) -> np.ndarray:
    """How much of the second colour shows at each pixel, 0 to 1."""
    turns = species.repeats
    waves = {
        "plain": lambda: -np.ones_like(x),
        "banded": lambda: np.sin(x * turns * 1.9),
        "striped": lambda: np.sin(y * turns * 2.4),
        "spotted": lambda: np.sin(x * turns * 1.6) * np.sin(y * turns * 1.6 + 1) - 0.35,
        "ringed": lambda: np.sin(radius * turns * 2.6),
        "chequered": lambda: np.sin(x * turns * 1.5) * np.sin(y * turns * 1.5),
        "marbled": lambda: np.sin(x * 4 + 2 * np.sin(y * turns)) + 0.4 * np.sin(y * 5 + x * 3),
        "capped": lambda: -y - 0.15 + 0.1 * np.sin(x * turns * 2),
    }
    return _coverage(waves[species.texture](), 0.35)


def _draw_garment(species: Species, x, y, angle, radius) -> np.ndarray:
    """Coverage of what sticks out of the body, 0 to 1."""
    reach = radius / _outline(species, angle)
    count = species.repeats
    shapes = {
        "bare": lambda: np.full_like(x, -1.0),
        "crested": lambda: np.where(y < 0, 1.16 + 0.26 * np.cos(angle * count * 4) - reach, -1),
        "horned": lambda: 1.75 - reach - 6 * np.abs(np.abs(angle) - 0.75),
        "finned": lambda: 1.5 - reach - 2.2 * np.abs(np.abs(angle) - 1.75),
        "whiskered": lambda: 1.65 - reach - 3.2 * np.abs(np.sin(angle * count)),
        "tailed": lambda: 1.85 - reach - 2.4 * np.abs(np.pi - np.abs(angle) - 0.25),
    }
    return _coverage(shapes[species.garment](), 0.12)


def _draw_eyes(species: Species, colours: np.ndarray, x, y) -> np.ndarray:
    """The drawing with its eyes: round, white, looking ahead."""
    reach = _outline(species, np.zeros(1))[0] * np.sqrt(species.length)
    places = {1: [(0.55, -0.12)], 2: [(0.5, -0.26), (0.5, 0.26)], 3: [(0.6, 0.0), (0.35, -0.34), (0.35, 0.34)]}
    for along, across in places[species.eyes]:
        distance = np.hypot(x - along * reach, y - across)
        white, pupil = (_coverage(size - distance, 0.05)[..., None] for size in (0.2, 0.11))
        colours = colours * (1 - white) + 0.97 * white
        colours = colours * (1 - pupil) + 0.08 * pupil
    return colours
