"""Image files as the world sends them: every format and mode, and those that are broken, cut short or lie about their size."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps

SIDES = (36, 24)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
CUTS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9)  # how much of a file is left
HUGE = (20_000, 20_000)
TO_LAB = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")


def draw_corners(width: int = SIDES[0], height: int = SIDES[1]) -> Image.Image:
    """Red, green, blue and white quarters: top left, top right, bottom left, bottom right."""
    pixels = np.empty((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    pixels[:top, :left], pixels[:top, left:] = (255, 0, 0), (0, 255, 0)
    pixels[top:, :left], pixels[top:, left:] = (0, 0, 255), (255, 255, 255)
    return Image.fromarray(pixels)


def save(image: Image.Image, name: str, **options) -> bytes:
    """The image as a file's bytes."""
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def name_corners(image: Image.Image) -> str:
    """The colours of an image's quarters by their letters, "rgbw" as `draw_corners` has them; "?" for any other colour."""
    width, height = image.size
    spots = [(x, y) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    letters = {(True, False, False): "r", (False, True, False): "g", (False, False, True): "b", (True, True, True): "w"}
    return "".join(letters.get(tuple(value > 128 for value in image.getpixel(spot)), "?") for spot in spots)


def turn(orientation: int) -> bytes:
    """A JPEG whose EXIF orientation makes it upright again: stored turned, shown as `draw_corners` has it."""
    image = draw_corners()
    transpose = Image.Transpose
    undo = {
        2: transpose.FLIP_LEFT_RIGHT,
        3: transpose.ROTATE_180,
        4: transpose.FLIP_TOP_BOTTOM,
        5: transpose.TRANSPOSE,
        6: transpose.ROTATE_90,
        7: transpose.TRANSVERSE,
        8: transpose.ROTATE_270,
    }
    stored = image.transpose(undo[orientation]) if orientation in undo else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = save(stored, "JPEG", exif=exif, quality=95, subsampling=0)
    with Image.open(io.BytesIO(content)) as check:
        assert ImageOps.exif_transpose(check).size == SIDES
    return content


def good_files() -> dict[str, bytes]:
    """Files that show `draw_corners`, in every format and many modes."""
    image = draw_corners()
    clear = image.convert("RGBA")
    clear.putalpha(Image.fromarray((np.asarray(image).min(axis=2) < 128).astype(np.uint8) * 255))  # the white quarter
    palette = image.quantize(8)
    wide = Image.fromarray(np.asarray(image.convert("RGB"))[:, :, 0].astype(np.uint16) * 257)
    files = {name.lower(): save(image, name) for name in FORMATS}
    files |= {f"exif {turned}": turn(turned) for turned in range(1, 9)}
    files |= {
        "progressive jpeg": save(image, "JPEG", progressive=True),
        "cmyk jpeg": save(image.convert("CMYK"), "JPEG", quality=95),
        "cmyk tiff": save(image.convert("CMYK"), "TIFF"),
        "palette png": save(palette, "PNG"),
        "palette gif": save(palette, "GIF"),
        "palette bmp": save(palette, "BMP"),
        "palette tiff": save(palette, "TIFF"),
        "rgba png": save(clear, "PNG"),
        "rgba webp": save(clear, "WEBP", lossless=True),
        "rgba tiff": save(clear, "TIFF"),
        "transparent colour png": save(image, "PNG", transparency=(255, 255, 255)),
        "transparent palette gif": save(clear.convert("RGBA"), "GIF"),
        "lossless webp": save(image, "WEBP", lossless=True),
        "lzw tiff": save(image, "TIFF", compression="tiff_lzw"),
        "deflate tiff": save(image, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg tiff": save(image, "TIFF", compression="jpeg", quality=95),
        "animated gif": save(image, "GIF", save_all=True, append_images=[Image.new("RGB", SIDES)] * 3),
        "animated webp": save(image, "WEBP", save_all=True, append_images=[Image.new("RGB", SIDES)] * 3, lossless=True),
        "animated png": save(image, "PNG", save_all=True, append_images=[Image.new("RGB", SIDES)] * 3),
        "two page tiff": save(image, "TIFF", save_all=True, append_images=[Image.new("RGB", SIDES)]),
        "mpo": save(image, "MPO", save_all=True, append_images=[Image.new("RGB", SIDES)]),
        "16 bit colour png": make_deep_png(np.asarray(image), 2),
        "16 bit transparent png": make_deep_png(np.dstack([np.asarray(image), np.asarray(clear)[:, :, 3]]), 6),
        "lab tiff": save(ImageCms.applyTransform(image, TO_LAB), "TIFF"),
        "bytes after the end": save(image, "JPEG") + b"\x00" * 500,
        "strange comment": save(image, "JPEG", comment=b"<svgish> \xff\xfe" * 50),
    }
    grey = {
        "grey jpeg": save(image.convert("L"), "JPEG"),
        "grey and alpha png": save(image.convert("LA"), "PNG"),
        "black and white png": save(image.convert("1"), "PNG"),
        "16 bit png": save(wide, "PNG"),
        "16 bit tiff": save(wide, "TIFF"),
        "16 bit grey and alpha png": make_deep_png(np.dstack([np.asarray(image)[:, :, 0], np.full(SIDES[::-1], 255)]), 4),
        "32 bit tiff": save(Image.fromarray(np.asarray(wide).astype(np.int32) * 1000), "TIFF"),
        "float tiff": save(Image.fromarray(np.asarray(wide).astype(np.float32) / 65535), "TIFF"),
        "float tiff with holes": save(Image.fromarray(np.where(np.asarray(wide) > 0, np.nan, 1).astype(np.float32)), "TIFF"),
    }
    return files | grey


def cut_files() -> dict[str, bytes]:
    """Every format, cut short at several points; the pictures are noisy, so that no cut falls into padding."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = {name: save(noise, name) for name in FORMATS}
    return {
        f"{name.lower()}, {cut:.0%} left": content[: int(cut * len(content))] for name, content in whole.items() for cut in CUTS
    }


def lying_files() -> dict[str, bytes]:
    """Files whose header claims 20,000 x 20,000 pixels."""
    width, height = HUGE
    files = {name.lower(): save(Image.new("RGB", (16, 16)), name) for name in ("PNG", "GIF", "BMP", "JPEG")}
    start = files["jpeg"].index(b"\xff\xc0") + 5
    return {
        "png": make_png(width, height),
        "gif": files["gif"][:6] + struct.pack("<HH", width, height) + files["gif"][10:],
        "bmp": files["bmp"][:18] + struct.pack("<ii", width, height) + files["bmp"][26:],
        "jpeg": files["jpeg"][:start] + struct.pack(">HH", height, width) + files["jpeg"][start + 4 :],
        "webp": b"RIFF"
        + struct.pack("<I", 22)
        + b"WEBPVP8X"
        + struct.pack("<I", 10)
        + b"\x00" * 4
        + (16_383).to_bytes(3, "little") * 2,
        "tiff": make_tiff(width, height),
        "png of 600 million pixels": make_png(60_000, 10_000),
        "deflated bomb": make_png(*HUGE, zlib.compress(b"\x00" * 30_000_000, 9)),
    }


def broken_files() -> dict[str, bytes]:
    """What is no image, or one that cannot be read."""
    png, jpeg = save(draw_corners(), "PNG"), save(draw_corners(), "JPEG")
    noise = np.random.default_rng(1).bytes(2000)
    return {
        "nothing": b"",
        "one byte": b"\x00",
        "zeros": b"\x00" * 4096,
        "text": b"I am a picture, believe me.",
        "noise": noise,
        "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "bare svg": b'  <SVG onload="alert(1)"></SVG>',
        "web page": b"<!DOCTYPE html><html><body><img src=x></body></html>",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage",
        "zip": b"PK\x03\x04" + noise,
        "elf": b"\x7fELF" + noise,
        "heic": b"\x00\x00\x00\x18ftypheic" + noise,
        "avif of noise": b"\x00\x00\x00\x18ftypavif" + noise,
        "ico": save(draw_corners(), "ICO"),
        "pcx": save(draw_corners(), "PCX"),
        "ppm": save(draw_corners(), "PPM"),
        "xbm": b"#define x_width 8\n#define x_height 8\nstatic char x_bits[] = {0};",
        "png signature alone": png[:8],
        "png signature and noise": png[:8] + noise,
        "png without data": make_png(16, 16, b""),
        "png with noise for data": make_png(16, 16, noise),
        "png with too little data": make_png(16, 16, zlib.compress(b"\x00" * 40)),
        "png of no width": make_png(0, 16),
        "png of no height": make_png(16, 0),
        "png with a broken checksum": png[:29] + b"\x00\x00\x00\x00" + png[33:],
        "png whose text unpacks to 100 MB": put_text(png, zlib.compress(b"\x00" * 100_000_000, 9)),
        "jpeg start alone": b"\xff\xd8",
        "jpeg start and noise": b"\xff\xd8\xff\xe0" + noise,
        "jpeg without tables": jpeg[:20] + jpeg[jpeg.index(b"\xff\xc0") :],
        "jpeg of no height": _put_jpeg_height(jpeg, 0),
        "gif start alone": b"GIF89a",
        "gif of no width": b"GIF89a" + struct.pack("<HH", 0, 0) + b"\x00\x00\x00;",
        "gif without frames": b"GIF89a" + struct.pack("<HH", 4, 4) + b"\x00\x00\x00;",
        "webp start and noise": b"RIFF\xff\xff\xff\xffWEBPVP8 " + noise,
        "bmp start and noise": b"BM" + noise,
        "bmp of negative width": _put_bmp_width(-5),
        "bmp of no width": _put_bmp_width(0),
        "tiff start and noise": b"II*\x00\x08\x00\x00\x00" + noise,
        "tiff that points behind its end": b"II*\x00" + struct.pack("<I", 4_000_000_000),
        "tiff whose directories go in a ring": b"II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00",
        "tiff of no pixels": make_tiff(0, 0),
        "thread of pixels": save(Image.new("RGB", (1, 3000)), "PNG"),
    }


def make_png(width: int, height: int, data: bytes | None = None) -> bytes:
    """A PNG whose header says this size, with `data` for its packed pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\x00" * 100) if data is None else data
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def make_deep_png(values: np.ndarray, kind: int) -> bytes:
    """A PNG of 16 bits a colour, which Pillow does not write; values: (height, width, channels) from 0 to 255."""
    height, width, _ = values.shape
    lines = (values.astype(np.uint16) * 257).astype(">u2").reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\x00" + line.tobytes() for line in lines))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def put_text(png: bytes, packed: bytes) -> bytes:
    """A PNG with a packed text in front of its pixels."""
    return png[:33] + _chunk(b"zTXt", b"note\x00\x00" + packed) + png[33:]


def make_tiff(width: int, height: int) -> bytes:
    """A TIFF of one strip whose header says this size."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 200), (278, 4, height)]
    tags.append((279, 4, 16))
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(tags)) + entries + b"\x00" * 200


def make_pages(count: int) -> bytes:
    """A TIFF of 8 x 8 white pixels with so many pages, all showing the same strip."""
    tags = [(256, 4, 8), (257, 4, 8), (258, 3, 8), (262, 3, 1), (273, 4, 8), (278, 4, 8), (279, 4, 64)]
    entries = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    starts = [72 + number * (len(entries) + 4) for number in range(count)]
    pages = (entries + struct.pack("<I", following) for following in [*starts[1:], 0])
    return b"II*\x00" + struct.pack("<I", 72) + b"\xff" * 64 + b"".join(pages)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _put_jpeg_height(jpeg: bytes, height: int) -> bytes:
    start = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:start] + struct.pack(">H", height) + jpeg[start + 2 :]


def _put_bmp_width(width: int) -> bytes:
    bmp = save(draw_corners(), "BMP")
    return bmp[:18] + struct.pack("<i", width) + bmp[22:]
