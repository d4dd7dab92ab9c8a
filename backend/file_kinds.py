"""What a file is that is no image of ours: litter by its name, or by its content a kind that people take for an image."""

LITTER = "hidden file, or litter of an operating system"

_JPEG = "Save it as JPEG."
_PNG = "Export it as PNG."
_FRAME = "Save one of its frames as an image."
_UNPACK = "Unpack it and hand in the images."
# Where it stands in the file, how the file goes on from there, what that is, and what to do. Of several the first counts.
_SIGNATURES: tuple[tuple[int, tuple[bytes, ...], str, str], ...] = (
    (0, (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"), "a JPEG XL image", _JPEG),
    (0, (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n"), "a JPEG 2000 image", _JPEG),
    (0, (b"II\xbc\x01",), "a JPEG XR image", _JPEG),
    (0, (b"8BPS",), "a Photoshop document (PSD)", _PNG),
    (0, (b"gimp xcf",), "a GIMP document (XCF)", _PNG),
    (8, (b"CR\x02\x00",), "a camera raw file (CR2)", "Develop it to JPEG."),
    (4, (b"ftypcrx ",), "a camera raw file (CR3)", "Develop it to JPEG."),
    (0, (b"FUJIFILMCCD-RAW",), "a camera raw file (RAF)", "Develop it to JPEG."),
    (0, (b"IIRO", b"IIRS", b"MMOR"), "a camera raw file (ORF)", "Develop it to JPEG."),
    (0, (b"IIU\x00",), "a camera raw file (RW2)", "Develop it to JPEG."),
    (0, (b"FOVb",), "a camera raw file (X3F)", "Develop it to JPEG."),
    (0, (b"\x00\x00\x01\x00", b"\x00\x00\x02\x00"), "an icon (ICO)", _PNG),
    (0, (b"icns",), "an icon (ICNS)", _PNG),
    (0, (b"P1\n", b"P2\n", b"P3\n", b"P4\n", b"P5\n", b"P6\n", b"P7\n", b"P4 ", b"P5 ", b"P6 "), "a PNM image", _PNG),
    (0, (b"v/1\x01",), "an OpenEXR image", _PNG),
    (0, (b"#?RADIANCE", b"#?RGBE"), "a Radiance HDR image", _PNG),
    (0, (b"DDS ",), "a DirectDraw surface (DDS)", _PNG),
    (0, (b"qoif",), "a QOI image", _PNG),
    (0, (b"\xd7\xcd\xc6\x9a",), "a Windows metafile (WMF)", _PNG),
    (0, (b"%PDF", b"%!PS", b"%!ps", b"%pdf", b"\xc5\xd0\xd3\xc6"), "a PDF or PostScript document, not an image", _PNG),
    (4, (b"ftyp", b"moov", b"mdat"), "a video (MP4 or MOV)", _FRAME),
    (0, (b"\x1aE\xdf\xa3",), "a video (WebM or Matroska)", _FRAME),
    (8, (b"AVI ",), "a video (AVI)", _FRAME),
    (0, (b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3"), "a video (MPEG)", _FRAME),
    (0, (b"OggS",), "an Ogg video or sound", _FRAME),
    (8, (b"WAVE",), "a sound", "Hand in an image."),
    (0, (b"ID3", b"fLaC"), "a sound", "Hand in an image."),
    (0, (b"PK\x03\x04", b"PK\x05\x06"), "a zip, or a document of an office program", _UNPACK),
    (0, (b"\x1f\x8b",), "packed with gzip", _UNPACK),
    (0, (b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\xfd7zXZ", b"BZh", b"(\xb5/\xfd"), "an archive", _UNPACK),
    (257, (b"ustar",), "a tar archive", _UNPACK),
)

HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
PICTURE_BRANDS = (*HEIC_BRANDS, b"avif", b"avis")  # in the same wrapping as videos

_LITTER = frozenset(("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin"))


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or one that operating systems leave behind.

    >>> is_litter("__MACOSX"), is_litter(".DS_Store"), is_litter("rose")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in _LITTER


def name_kind(content: bytes) -> str:
    """What a file is that no image could be read from, in a sentence or two; "" where it is of no kind that is known here.

    >>> name_kind(b"8BPS and so on")
    'The file is a Photoshop document (PSD). Export it as PNG.'
    """
    start = content[:4096].lower()
    if b"<svg" in start:
        return "The file is an SVG, which is a drawing and has no pixels. Export it as PNG."
    if start.lstrip()[:5] in (b"<!doc", b"<html", b"<?xml"):
        return "The file is a web page, not an image. Save the image itself."
    if content[4:8] == b"ftyp" and content[8:12] in (b"", *PICTURE_BRANDS):
        return ""
    for place, signatures, kind, advice in _SIGNATURES:
        if content.startswith(signatures, place):
            return f"The file is {kind}. {advice}"
    return ""
