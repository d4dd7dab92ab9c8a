"""The pictures of the invented world: species somewhere in a landscape, in changing light, with things that are no species.

Each picture follows from the world's seed, the name of its collection and its number in it, so that any one can be drawn
again by itself. The drawing is integer work by Pillow; only the sprites are made with floating point, once a species.
"""

import io
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from precompute.synthetic.species import SPRITE, Species, draw_sprite

SIDE = 96  # pixels
JPEG_QUALITY = 85


class Studio:
    """Draws pictures of the species of one world; holds a sprite of each, about 20 MB."""

    def __init__(self, species: Sequence[Species], seed: int):
        self.seed = seed
        self.sprites = [draw_sprite(one).convert("RGBa") for one in species]  # as Pillow turns them

    def draw(self, collection: str, number: int, shown: Sequence[int]) -> Image.Image:
        """The picture `number` of a collection, RGB, SIDE pixels square; `shown` are the numbers of its species (0 to 2)."""
        rng = make_rng(self.seed, collection, number)
        picture = _draw_background(rng)
        _draw_distractors(rng, picture)
        for sprite, place in zip([self.sprites[one] for one in shown], _choose_places(rng, len(shown)), strict=True):
            _paste(rng, picture, sprite, *place)
        return _expose(rng, picture)

    def photograph(self, collection: str, number: int, shown: Sequence[int]) -> bytes:
        """The same picture as a JPEG file."""
        stream = io.BytesIO()
        self.draw(collection, number, shown).save(stream, "JPEG", quality=JPEG_QUALITY)
        return stream.getvalue()

    def develop(self, collection: str, number: int, shown: Sequence[int]) -> Image.Image:
        """The picture as it comes back out of its JPEG file."""
        with Image.open(io.BytesIO(self.photograph(collection, number, shown))) as image:
            return image.convert("RGB")


def make_rng(seed: int, collection: str, number: int = 0) -> np.random.Generator:
    """The random numbers of one thing in the world: the same for the same seed, collection and number, on any machine."""
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(collection.encode()), number]))


def _draw_background(rng: np.random.Generator) -> Image.Image:
    """A soft landscape of nine random colours, drawn towards one tone."""
    tone = rng.integers(40, 216, 3)
    colours = (rng.integers(0, 256, (3, 3, 3)) + 2 * tone) // 3
    return Image.fromarray(colours.astype(np.uint8), "RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _draw_distractors(rng: np.random.Generator, picture: Image.Image) -> None:
    """Up to four plain shapes: stones, sticks and blades that belong to no species."""
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(0, 5)):
        x, y, size, other = (int(value) for value in rng.integers((0, 0, 4, 4), (SIDE, SIDE, 20, 20)))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        shape = rng.integers(3)
        if shape == 0:
            draw.ellipse((x - size, y - other, x + size, y + other), fill=colour)
        elif shape == 1:
            draw.line((x, y, x + 3 * size - 36, y + 3 * other - 36), fill=colour, width=3)
        else:
            draw.polygon(((x, y), (x + size, y + other), (x - other, y + size)), fill=colour)


def _choose_places(rng: np.random.Generator, count: int) -> list[tuple[float, float, float]]:
    """Centre x and y in pixels and scale of each sprite; two of them stand side by side."""
    if count < 2:
        ranges = [((0.36, 0.64), (0.36, 0.64), (0.62, 1.05))]
    else:
        ranges = [((0.2, 0.34), (0.3, 0.7), (0.5, 0.7)), ((0.66, 0.8), (0.3, 0.7), (0.5, 0.7))]
        if rng.integers(2):
            ranges.reverse()
    places = [tuple(float(rng.uniform(*ends)) for ends in each) for each in ranges[:count]]
    return [(x * SIDE, y * SIDE, scale) for x, y, scale in places]


def _paste(rng: np.random.Generator, picture: Image.Image, sprite: Image.Image, x: float, y: float, scale: float) -> None:
    """Lays the sprite over the picture: turned by up to 40 degrees, every second one looking the other way."""
    angle = float(rng.uniform(-0.7, 0.7))
    mirror = 1 if rng.integers(2) else -1
    cos, sin = np.cos(angle), np.sin(angle)
    left, top, right, bottom = (edge - SPRITE / 2 for edge in sprite.getbbox())
    corners = [(mirror * across, down) for across in (left, right) for down in (top, bottom)]
    reach = [[x + scale * (cos * a - sin * b), y + scale * (sin * a + cos * b)] for a, b in corners]
    west, north = np.clip(np.floor(np.min(reach, axis=0)) - 1, 0, SIDE).astype(int).tolist()
    east, south = np.clip(np.ceil(np.max(reach, axis=0)) + 1, 0, SIDE).astype(int).tolist()
    if west == east or north == south:
        return
    x, y, cos, sin = x - west, y - north, cos / scale, sin / scale
    matrix = (mirror * cos, mirror * sin, -mirror * (cos * x + sin * y) + SPRITE / 2)
    matrix += (-sin, cos, sin * x - cos * y + SPRITE / 2)
    size = (east - west, south - north)
    turned = sprite.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR).convert("RGBA")
    picture.paste(turned, (west, north), turned)


def _expose(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """The picture under a light of its own brightness and tint, with the grain of a small camera."""
    light = rng.integers(170, 290, 1) + rng.integers(-24, 25, 3)  # 256 leaves the colours as they are
    grain = rng.integers(-14, 15, (SIDE, SIDE), np.int16)
    pixels = np.asarray(picture).reshape(SIDE, -1) * np.tile(light, SIDE).astype(np.int32)  # rows of red, green, blue
    pixels >>= 8
    pixels += grain.repeat(3, axis=1)
    pixels = np.clip(pixels, 0, 255, out=pixels).astype(np.uint8)
    return Image.fromarray(pixels.reshape(SIDE, SIDE, 3), "RGB")
