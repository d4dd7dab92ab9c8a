"""What visitors hand in, taken out of Streamlit's own store, which knows no bound, and held within one.

Streamlit keeps every uploaded file until its session ends. Here a file is taken over once, by the key that Streamlit gave it,
so that nothing is hashed, and given up there; what arrives before a page has taken it over is bounded too.
"""

from collections.abc import Callable, Iterable
from functools import partial

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import DeletedFile, UploadedFileRec

from backend.errors import ImageError
from backend.probe.held import ALL_BYTES, MAX_SINGLE, SINGLE_BYTES, VISITOR_BYTES, Hand, Hands
from backend.probe.unpack import BATCH_BYTES, Part, unpack_file

_LET_GO = "application/x-let-go"  # the type that a file gets for which there was no room
_HANDS = "probe-hands"  # key of the session; with a hyphen it is no choice to remember


@st.cache_resource(show_spinner=False)
def _hands() -> Hands:
    """What all visitors hold."""
    return Hands()


def find_hand(name: str) -> Hand:
    """What this session has handed in under a name; it goes with the session."""
    held = st.session_state.setdefault(_HANDS, {})
    if name not in held:
        held[name] = _hands().open()
    return held[name]


def take_images(hand: Hand, value) -> None:
    """Takes over single images from a widget's value, in place of what was there; what is beyond the limits says so."""
    _take(hand, value, partial(_hold_image, hand))


def take_batch(hand: Hand, value) -> None:
    """Takes over the files of a batch from a widget's value, in place of what was there, and unpacks each zip once."""
    _take(hand, value, lambda name, content: unpack_file(name, content, BATCH_BYTES - hand.held_bytes))


def bound_store() -> None:
    """Bounds what Streamlit's store may hold before a page takes it over. It makes its store itself, and takes no other."""
    context = get_script_run_ctx()
    if context and type(context.uploaded_file_mgr) is MemoryUploadedFileManager:
        context.uploaded_file_mgr.__class__ = BoundedStore


class BoundedStore(MemoryUploadedFileManager):
    """Streamlit's store of uploaded files; of one for which there is no room, it keeps the name alone."""

    def add_file(self, session_id: str, file: UploadedFileRec) -> None:
        """Keeps a file where there is room in the session's share and in all."""
        sizes = {name: sum(len(one.data) for one in list(files.values())) for name, files in list(self.file_storage.items())}
        if sizes.get(session_id, 0) + len(file.data) > VISITOR_BYTES or sum(sizes.values()) + len(file.data) > ALL_BYTES:
            file = file._replace(data=b"", type=_LET_GO)
        super().add_file(session_id, file)


def _take(hand: Hand, value, unpack: Callable[[str, bytes], Iterable[Part]]) -> None:
    files = getattr(value, "files", value) or []
    files = files if isinstance(files, list) else [files]
    hand.keep_only(file.file_id for file in files)
    for file in files:
        if isinstance(file, DeletedFile):  # it was taken over before, or forgotten
            continue
        if file.file_id not in hand.keys:
            hand.put(file.file_id, file.name, partial(_refuse if file.type == _LET_GO else unpack, file.name, file.getvalue()))
        _give_up(file)


def _hold_image(hand: Hand, name: str, content: bytes) -> tuple[Part, ...]:
    if len(hand.keys) >= MAX_SINGLE or hand.held_bytes + len(content) > SINGLE_BYTES:
        raise ImageError(
            f"At most {MAX_SINGLE} images, of {SINGLE_BYTES // 2**20} MB together, are held. A labelled batch takes more."
        )
    return (Part(name, content),)


def _refuse(name: str, content: bytes) -> tuple[Part, ...]:
    raise ImageError(
        f"It was let go: a visitor may hand in {VISITOR_BYTES // 2**20} MB at a time, all together {ALL_BYTES // 2**20} MB."
    )


def _give_up(file) -> None:
    """Lets Streamlit forget a file, and frees its bytes in the widget's value."""
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    file.truncate(0)  # not closed: Streamlit copies a widget's value
