"""Image files as the world sends them: every format and mode, and those that are broken, cut short or lie about their size."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps
from pillow_heif import register_heif_opener

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
    register_heif_opener()
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


def marred_files() -> dict[str, bytes]:
    """Files that show `draw_corners`, whole in their pixels, whose metadata is broken."""
    garbage = np.random.default_rng(2).bytes(300)
    exifs = {
        "denominator -1": make_exif(1, struct.pack("<ii", 1, -1)),
        "denominator 0": make_exif(1, struct.pack("<ii", 1, 0)),
        "denominator -1, turned": make_exif(6, struct.pack("<ii", 1, -1)),
        "place behind the end": make_exif(1, struct.pack("<ii", 1, 1), place=4_000_000_000),
        "garbage": garbage,
        "garbage behind a header": b"II*\x00\x08\x00\x00\x00" + garbage,
        "a header alone": b"MM\x00*",
        "one byte": b"E",
    }
    profile, xmp = b"acsp" + garbage, b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Descr'
    files = {
        f"{name.lower()}, {how}": save(_lay(how), name, exif=b"Exif\x00\x00" + exif, **_LOSSLESS[name])
        for how, exif in exifs.items()
        for name in _LOSSLESS
    }
    for name in _LOSSLESS:
        files[f"{name.lower()}, broken profile"] = save(draw_corners(), name, icc_profile=profile, **_LOSSLESS[name])
    for name in ("JPEG", "WEBP"):
        files[f"{name.lower()}, cut xmp"] = save(draw_corners(), name, xmp=xmp, **_LOSSLESS[name])
    png, many = save(draw_corners(), "PNG"), zlib.compress(b"\x00" * 100_000_000, 9)
    mpo = save(draw_corners(), "MPO", save_all=True, append_images=[Image.new("RGB", SIDES)])
    index = mpo.index(b"MPF\x00") + 4
    frames = {"save_all": True, "append_images": [Image.new("RGB", SIDES)]}
    exif = {"exif": b"Exif\x00\x00" + garbage}
    return files | {
        "png whose text unpacks to 100 MB": put_text(png, many),
        "png whose text behind the pixels unpacks to 100 MB": png[:-12] + _chunk(b"zTXt", b"note\x00\x00" + many) + png[-12:],
        "png of 100 texts of 1 MB": png[:33]
        + _chunk(b"zTXt", b"n\x00\x00" + zlib.compress(b"\x00" * 1_000_000)) * 100
        + png[33:],
        "png whose profile unpacks to 100 MB": png[:33] + _chunk(b"iCCP", b"profile\x00\x00" + many) + png[33:],
        "png whose text has a wrong checksum": png[:33] + _chunk(b"tEXt", b"note\x00text")[:-4] + b"\x00" * 4 + png[33:],
        "png whose exif has a wrong checksum": png[:33] + _chunk(b"eXIf", exifs["denominator 0"])[:-4] + b"\x00" * 4 + png[33:],
        "mpo with a broken index": mpo[:index] + garbage[:40] + mpo[index + 40 :],
        "animated png, garbage": save(draw_corners(), "PNG", **frames, **exif),
        "animated webp, garbage": save(draw_corners(), "WEBP", lossless=True, **frames, **exif),
        "avif, exif overwritten": _overwrite_exif(save(draw_corners(), "AVIF", quality=95, exif=make_exif(1, b"\x00" * 8))),
        "heic, exif overwritten": _overwrite_exif(save(draw_corners(), "HEIF", quality=95, exif=make_exif(1, b"\x00" * 8))),
        "tiff, denominator -1": _mar_tiff(),
    }


_LOSSLESS = {"JPEG": {"quality": 95, "subsampling": 0}, "PNG": {}, "WEBP": {"lossless": True}}


def _lay(how: str) -> Image.Image:
    """The corners as they are stored: on their side where EXIF is to turn them."""
    return draw_corners().transpose(Image.Transpose.ROTATE_90) if "turned" in how else draw_corners()


def make_exif(orientation: int, rational: bytes, place: int = 38) -> bytes:
    """EXIF of an orientation and a resolution, a signed rational of these 8 bytes that is said to stand at `place`."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + struct.pack("<HHII", 0x011A, 10, 1, place)
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", 2) + entries + b"\x00" * 4 + rational


def _overwrite_exif(content: bytes) -> bytes:
    start = content.index(b"II*\x00\x08\x00\x00\x00")
    return content[:start] + b"\xfe" * 20 + content[start + 20 :]


def _mar_tiff() -> bytes:
    content = save(draw_corners(), "TIFF", dpi=(72, 72))
    return content.replace(struct.pack("<II", 72, 1), struct.pack("<ii", 72, -1))


def other_kinds() -> dict[str, bytes]:
    """The first bytes of files that people take for images, by what a refusal is to call them."""
    fill, box = bytes(range(32, 96)), b"\x00\x00\x00\x20"
    return {
        "JPEG XL": b"\xff\x0a" + fill,
        "JPEG XL image": b"\x00\x00\x00\x0cJXL \r\n\x87\n" + fill,
        "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + fill,
        "Photoshop document (PSD)": b"8BPS\x00\x01" + fill,
        "camera raw file (CR2)": b"II*\x00\x10\x00\x00\x00CR\x02\x00" + fill,
        "camera raw file (CR3)": box + b"ftypcrx " + fill,
        "camera raw file (RAF)": b"FUJIFILMCCD-RAW 0201" + fill,
        "camera raw file (RW2)": b"IIU\x00\x18\x00\x00\x00" + fill,
        "camera raw file, of which": _make_raw(),
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "PDF or PostScript document": b"%PDF-1.7\n" + fill,
        "video (MP4 or MOV)": box + b"ftypisom\x00\x00\x02\x00" + fill,
        "a video (MP4": box + b"ftypqt  \x00\x00\x02\x00" + fill,
        "video (WebM or Matroska)": b"\x1aE\xdf\xa3" + fill,
        "video (AVI)": b"RIFF\x00\x01\x00\x00AVI LIST" + fill,
        "icon (ICO)": save(draw_corners(), "ICO"),
        "PNM image": save(draw_corners(), "PPM"),
        "zip": b"PK\x03\x04" + fill,
        "packed with gzip": b"\x1f\x8b\x08\x00" + fill,
    }


def _make_raw() -> bytes:
    """A TIFF that says that it is a DNG; its first picture is a preview."""
    return save(draw_corners(), "TIFF", tiffinfo={50706: b"\x01\x04\x00\x00"})


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
