"""The images that a visitor hands in: uploaded, pasted, from the camera, or one of the study's own.

They are kept in the memory of the visitor's session alone, so that a look at another page does not lose them.
"""

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import pandas as pd
import streamlit as st

from backend import frequency, samples
from backend.concepts import find_concept
from backend.errors import ImageError
from backend.images import encode_jpeg, read_image_bytes
from backend.probe.candidates import choose_candidates
from backend.probe.facts import find_examples, find_sure_examples
from backend.probe.uploads import UPLOAD_BYTES, describe_limits, open_upload
from backend.study import Study
from pages.ui.address import answer
from pages.ui.blocks import format_count
from pages.ui.controls import choose_word, corpus_titles
from pages.ui.gallery import CAPTION_CHARACTERS, show_picture
from pages.ui.handed import bound_store, find_hand, take_images
from pages.ui.text import escape, shorten

UPLOAD, PASTE, CAMERA, STUDY = "upload", "paste", "camera", "the study"
IMAGES = "images"  # what this session has handed in one by one
SHOWN = "probe-previews"  # key of the session; with a hyphen it is no choice to remember
MAX_PREVIEWS = 32
PREVIEW = (480, 480)  # pixels
SPREAD, EXAMPLES = 12, 6  # tiles of concepts from frequent to rare; of one concept
TILES, TILE = 6, 90  # tiles in a row; pixels of the narrowest


@dataclass(frozen=True)
class Picture:
    """An image that can be shown to a model: how its file's bytes are had, a key that stands for them, a small preview (a
    JPEG's bytes), and what it is.
    """

    name: str
    key: Hashable
    read: Callable[[], bytes]
    preview: bytes
    about: str


def choose_pictures(study: Study) -> list[Picture]:
    """The images to ask about, by the source chosen; a file that is refused gets its sentence, the others count."""
    own = [STUDY] if study.has("samples", "hits", "corpora") and not answer(samples.list_sampled_corpora, study).empty else []
    source = choose_word("Image from", [UPLOAD, PASTE, CAMERA, *own], "source")
    if source == STUDY:
        return choose_sample(study)
    bound_store()
    {UPLOAD: show_uploader, PASTE: show_paste_box, CAMERA: show_camera}[source]()
    held = find_hand(IMAGES).keys
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Images stay in the memory of this session and are gone with it; they are not stored and not sent on. "
            f"{'' if held else describe_limits()}",
            width="content",
        )
        if held:
            st.button("Forget them now", on_click=_forget, key="forget-images", type="tertiary", icon=":material/delete:")
    return [picture for key in held if (picture := open_held(key))]


def show_uploader() -> None:
    """Files by a dialog or by drag and drop. Any ending is taken: a file's content decides, and a refusal says why."""
    st.file_uploader(
        "Images",
        accept_multiple_files=True,
        max_upload_size=UPLOAD_BYTES // 2**20,
        key="upload-images",
        on_change=_keep_files,
        args=("upload-images",),
        label_visibility="collapsed",
    )


def show_paste_box() -> None:
    """A line of text that takes images out of the clipboard, which Streamlit's uploader does not."""
    with st.container():
        st.chat_input(
            "Paste an image here (Ctrl+V or ⌘V), then press Enter",
            accept_file="multiple",
            max_upload_size=UPLOAD_BYTES // 2**20,
            key="paste-images",
            on_submit=_keep_files,
            args=("paste-images",),
        )


def show_camera() -> None:
    """The camera, which is started when it is asked for."""
    if st.toggle("Open the camera", key="camera-open"):
        st.camera_input(
            "Camera", key="camera-image", on_change=_keep_files, args=("camera-image",), label_visibility="collapsed"
        )


def _keep_files(key: str) -> None:
    """Takes what a widget holds into the session, in place of what was there."""
    hand = find_hand(IMAGES)
    before = hand.keys
    take_images(hand, st.session_state[key])
    if hand.keys != before:
        st.session_state["truth"] = ""  # that was about the images before them


def _forget() -> None:
    find_hand(IMAGES).keep_only([])
    st.session_state.pop(SHOWN, None)
    st.session_state["truth"] = ""


def open_held(key: Hashable) -> Picture | None:
    """A file that was handed in, ready to show; None, with a sentence on the page, where it is refused."""
    (part,) = find_hand(IMAGES).get(key)
    if part.fault:
        refuse(part.name, part.fault)
        return None
    return open_picture(part.name, key, lambda: part.content)


def open_picture(name: str, key: Hashable, read: Callable[[], bytes]) -> Picture | None:
    """An image ready to show, read where its preview is not held; None, with a sentence on the page, where it is refused."""
    previews = st.session_state.setdefault(SHOWN, {})
    if key not in previews:
        try:
            upload = open_upload(read())
        except ImageError as error:
            refuse(name, str(error))
            return None
        width, height = upload.image.size
        about = ", ".join([f"{width:,} × {height:,} pixels, {upload.format}", *upload.notes])
        upload.image.thumbnail(PREVIEW)
        previews[key] = (encode_jpeg(upload.image), about)
        while len(previews) > MAX_PREVIEWS:
            del previews[next(iter(previews))]
    return Picture(shorten(name, 60), key, read, *previews[key])


def refuse(name: str, reason: str) -> None:
    """Says of a file why it is not taken."""
    st.warning(f"**{escape(shorten(name, 60))}** is left out. {escape(reason)}", icon=":material/block:")


def choose_picture(pictures: list[Picture]) -> Picture | None:
    """The one of several images that the page is about; None where there is none."""
    if len(pictures) < 2:
        return pictures[0] if pictures else None
    if st.session_state.get("picture", 0) >= len(pictures):
        st.session_state["picture"] = 0
    number = st.selectbox(
        "Which image", range(len(pictures)), format_func=lambda number: f"{number + 1}. {pictures[number].name}", key="picture"
    )
    return pictures[number]


# One of the study's own


def choose_sample(study: Study) -> list[Picture]:
    """A sample of the study: of a concept that is named, or of one of several from frequent to rare."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        query = st.text_input(
            "A picture of",
            key="like",
            bind="query-params",
            placeholder="a concept of the study",
            icon=":material/search:",
            on_change=lambda: _choose_concept(study, st.session_state["like"]),
            width=280,
        )
        for title, key in (("a frequent one", "head"), ("a rare one", "tail")):
            st.button(
                f"Surprise me: {title}",
                on_click=_surprise,
                args=(study, key),
                key=f"surprise-{key}",
                icon=":material/casino:",
            )
    concept = find_concept(study, query).concept if query else None
    if concept is None:
        if query:
            st.info(f"No concept of this study is named “{escape(query)}”.", icon=":material/info:")
        show_spread(study)
        return []
    corpus, rows, sure = choose_examples(study, concept, EXAMPLES)
    if rows.empty:
        st.info(f"No sample of this study shows “{escape(concept)}”.", icon=":material/visibility_off:")
        return []
    numbers = [str(number) for number in range(1, len(rows) + 1)]
    with st.grid(TILES, min_column_width=TILE):
        for number, row in zip(numbers, rows.itertuples(index=False), strict=True):
            with st.container(gap="xxsmall"):
                show_picture(study, row)
                st.caption(number)
    chosen = choose_word("Which", numbers, "pick") if len(numbers) > 1 else "1"
    row = next(rows.iloc[[int(chosen) - 1]].itertuples(index=False))
    title = escape(corpus_titles(study).get(corpus, corpus))
    doubt = "caption and image both say so" if sure else "that may err: its caption and its image do not both say so"
    st.caption(
        f"Sample {row.sample_id} of {title}, which a search found for “{escape(concept)}”; {doubt}. A model that was trained "
        "on this corpus has seen it. Its caption:"
    )
    st.text(shorten(row.caption, CAPTION_CHARACTERS) or "(no caption)")
    picture = open_sample(study, corpus, row)
    return [picture] if picture else []


def choose_examples(study: Study, concept: str, count: int) -> tuple[str | None, pd.DataFrame, bool]:
    """(corpus, samples of a concept, whether they are sure to show it): sure ones where there are any, else what was found."""
    corpus, rows = answer(find_sure_examples, study, concept, count)
    if len(rows):
        return corpus, rows, True
    return *answer(find_examples, study, concept, count), False


def open_sample(study: Study, corpus: str, row) -> Picture | None:
    """The image of a sample; None, with a sentence on the page, where it cannot be read."""
    read = partial(read_image_bytes, study.folder, row.image, row.offset, row.length)
    return open_picture(f"sample {row.sample_id} of {corpus}", (study.token, corpus, row.sample_id), read)


def show_spread(study: Study) -> None:
    """One sample each of some concepts, from the most frequent to the rarest that has any."""
    with st.grid(TILES, min_column_width=TILE):
        for row in answer(spread_samples, study).to_dict("records"):
            with st.container(gap="xxsmall"):
                show_picture(study, SimpleNamespace(**row))
                name = row["concept"]
                st.button(
                    escape(shorten(name, 40)), key=f"use-{name}", on_click=_choose_concept, args=(study, name), type="tertiary"
                )
                st.caption(tell_samples(row["samples_found"]))


def tell_samples(count: float) -> str:
    """A number of samples in words."""
    return "1 sample" if count == 1 else f"{format_count(count)} samples"


def spread_samples(study: Study) -> pd.DataFrame:
    """A row of `find_examples` for each of `SPREAD` concepts, with `concept` and `samples_found`, the most frequent first."""
    method = frequency.list_methods(study)["method"].iloc[0]
    corpus = samples.list_sampled_corpora(study)["corpus"].iloc[-1]
    ranked = frequency.count_concepts(study, method)
    shown = ranked[(ranked["corpus"] == corpus) & (ranked["count"] > 0)].reset_index(drop=True)
    places = sorted({round(i * (len(shown) - 1) / (SPREAD - 1)) for i in range(SPREAD)}) if len(shown) else []
    found = []
    for row in shown.iloc[places].itertuples(index=False):
        _, examples = find_sure_examples(study, row.concept, 1)
        if examples.empty:
            _, examples = find_examples(study, row.concept, 1)
        found.append(examples.assign(concept=row.concept, samples_found=row.count))
    return pd.concat([rows for rows in found if len(rows)], ignore_index=True) if found else pd.DataFrame()


def _choose_concept(study: Study, text: str) -> None:
    """Takes a name for what is looked for; what the picture really shows is said only where that is sure."""
    found = find_concept(study, text).concept if text else None
    sure = found is not None and choose_examples(study, found, EXAMPLES)[2]
    st.session_state["like"] = text
    st.session_state["truth"] = found if sure else ""
    if "pick" in st.session_state:
        st.session_state["pick"] = "1"


def _surprise(study: Study, key: str) -> None:
    """Chooses one of the most or least frequent concepts that a sample is sure to show, by lot; the truth is known then."""
    method = answer(frequency.list_methods, study)["method"].iloc[0]
    names = list(answer(choose_candidates, study, key, method).concepts)
    for name in random.sample(names, len(names)):
        if choose_examples(study, name, EXAMPLES)[2]:
            _choose_concept(study, name)
            return
