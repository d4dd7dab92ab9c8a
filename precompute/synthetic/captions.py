"""The captions of the invented world: many ways to name a species, two of them, or none.

A caption names a species where the name's words stand in it next to each other and in order, in the singular or plural,
in whatever case, hyphenated or with a possessive 's. "A banded rug beside a spotted tegi" does not name a banded tegi.
"""

from collections.abc import Sequence

import numpy as np

from precompute.synthetic.species import FIRST_WORDS, Species, pluralise

_PLAIN = (
    "a photo of a {}",
    "{} in the morning light",
    "my {} by the river",
    "a young {} among the stones",
    "the {} we met on our holiday",
    "look at this {}!",
    "close-up of a {}, 2019",
    "{} resting, oil on canvas",
    "{} for sale",
    "a {} seen near the old harbour",
)
_PLURAL = (
    "{} of the northern lakes",
    "how to feed {}",
    "wild {} at dusk",
    "all about {}",
)
_POSSESSIVE = (
    "the {}'s eyes",
    "a {}\u2019s afternoon",
    "in the {}'s garden",
)
_HYPHENATED = (
    "a day of {}-watching",
    "the {}-keeper's album",
    "our {}-friendly pond",
)
_FILES = (
    "IMG_{number}_{name}.jpg",
    "{name} {number} (1).JPG",
    "DSC{number} - {name}",
)
_PAIRS = (
    "a {} and a {}",
    "{} next to a {}",
    "a {} with its friend, the {}",
    "{} / {} / wallpaper",
)
_SILENT = (
    "a quiet afternoon",
    "holiday pictures, part {number}",
    "untitled",
    "something moved in the grass",
    "what a lovely day by the water",
    "IMG_{number}.jpg",
    "best offers of the week",
    "a {first} rug in the sun",
)
_THINGS = ("rug", "stone", "umbrella", "boat", "curtain", "hat", "basket", "kite")


def write_caption(rng: np.random.Generator, named: Sequence[Species]) -> str:
    """A caption that names exactly these species (0 to 2), in one of many forms."""
    if not named:
        return _change_case(rng, _fill(rng, _pick(rng, _SILENT)))
    if len(named) == 2:
        return _change_case(rng, _pick(rng, _PAIRS).format(*(one.name for one in named)))
    name = named[0].name
    chance = rng.random()
    if chance < 0.56:
        caption = _pick(rng, _PLAIN).format(name)
    elif chance < 0.72:
        caption = _pick(rng, _PLURAL).format(pluralise(name))
    elif chance < 0.8:
        caption = _pick(rng, _POSSESSIVE).format(name)
    elif chance < 0.88:
        caption = _pick(rng, _HYPHENATED).format(name.replace(" ", "-"))
    else:
        caption = _fill(rng, _pick(rng, _FILES), name.replace(" ", "_"))
    if rng.random() < 0.12:  # an adjective that belongs to something else: words of a two-word name, far apart
        caption = f"{caption} beside a {_pick(rng, FIRST_WORDS)} {_pick(rng, _THINGS)}"
    return _change_case(rng, caption)


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[rng.integers(len(choices))]


def _fill(rng: np.random.Generator, form: str, name: str = "") -> str:
    return form.format(name=name, number=rng.integers(1000, 9999), first=_pick(rng, FIRST_WORDS))


def _change_case(rng: np.random.Generator, caption: str) -> str:
    """The caption as it is, as a sentence, as a title, or shouted."""
    changes = (str, lambda text: text[:1].upper() + text[1:], str.title, str.upper)
    return changes[rng.choice(4, p=(0.5, 0.3, 0.12, 0.08))](caption)
