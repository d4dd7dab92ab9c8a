"""Small experiments: several models on one image, other prompts and names, a labelled batch, and text to images."""

from dataclasses import replace

import streamlit as st

from backend.models.catalogue import ModelChoice
from backend.models.encode import Model
from backend.models.prompts import PROMPTS
from backend.probe import experiments, nearest
from backend.probe.answer import Answer, tabulate_answer
from backend.probe.batch import BatchReport
from backend.probe.candidates import Candidates, find_candidate
from backend.probe.facts import Facts
from backend.probe.labelled import SOURCES, label_parts
from backend.probe.scope import leave_out_foreign
from backend.probe.unpack import BATCH_BYTES, MAX_IMAGES
from backend.probe.uploads import UPLOAD_BYTES
from backend.study import Study
from pages.ui.blocks import show_table
from pages.ui.controls import choose_corpus, choose_word, corpus_titles
from pages.ui.gallery import show_gallery
from pages.ui.handed import bound_store, find_hand, take_batch
from pages.ui.probe_answer import ask, find_obstacles, tell_not_seen
from pages.ui.probe_images import Picture, tell_samples
from pages.ui.probe_setup import Setup, classifiers, describe, embed, limit, list_offered, load, read_model_settings, score
from pages.ui.progress import follow
from pages.ui.text import escape, shorten, tell_range

TOP = 5
ZIP_MB = 64
BATCH = "batch-files"  # the widget, and what this session has handed in by it
SCORED = "probe-batch"  # the last report of this session
DRAWN, MOST_DRAWN = 1_000, 20_000  # images that are looked through at once, and at most, without the step that embeds all
NO_IMAGE = "Choose an image above: this compares answers on one image."


def compare_models(study: Study, setup: Setup, picture: Picture | None) -> None:
    """The first candidates of several models on the same image."""
    offered = {choice.title: choice for choice in list_offered() if choice.spec != setup.choice.spec}
    others = st.multiselect(
        "Beside it",
        list(offered),
        key="clips_beside",
        bind="query-params",
        accept_new_options=True,
        max_selections=3,
        placeholder="models of the list, or type ViT-B-32:openai" + (", or a folder" if read_model_settings().paths else ""),
    )
    if picture is None:
        st.caption(NO_IMAGE)
        return
    if not others:
        return
    choices = [setup.choice, *(offered.get(name) or ModelChoice(name, name, True, "") for name in others)]
    found, facts, obstacles = {}, {}, {}
    for choice in choices:
        model = load(choice)
        (found[choice.title],) = ask(model, embed(model, setup.candidates, setup.prompts), [picture])
        facts[choice.title] = describe(study, setup, model)
        scope = limit(study, replace(setup, choice=choice), facts[choice.title])
        (obstacles[choice.title],) = find_obstacles(scope, [picture])
    for column, title in zip(st.columns(len(found)), found, strict=True):
        with column.container(border=True):
            if obstacles[title]:
                st.markdown(f"**{escape(title)}**")
                st.caption(escape(obstacles[title]))
            else:
                show_places(study, title, facts[title], found[title], find_named(setup.candidates))
    compared = experiments.compare_models(found, setup.candidates, TOP)
    with st.expander("Each one's candidates as a table"):
        show_table(compared.drop(columns=["number", "concept"]).rename(columns={"rank": "place"}), "models")
    st.caption(
        "Samples are those of the model's own corpus, where the study counts it. Similarities of two models cannot be "
        "compared: each has its own scale. Their probabilities can."
    )


def show_places(study: Study, title: str, facts: Facts, found: Answer, named: int | None) -> None:
    """A model's first candidates and the true one, with how often its own corpus shows each."""
    own = corpus_titles(study).get(facts.own_corpus)
    st.markdown(f"**{escape(title)}**")
    st.caption(f"trained on {escape(own)}" if own else "its corpus is not counted in this study")
    rows = tabulate_answer(facts, found, len(found.order))
    for row in rows[(rows["rank"] <= TOP) | (rows["number"] == named)].to_dict("records"):
        place = "" if row["rank"] <= TOP else f", place {row['rank']:,}"
        count = facts.find_counts(row["number"]).get(facts.own_corpus)
        samples = "" if count is None else f" · {tell_samples(count)}"
        label = f"{escape(shorten(row['name'], 60))}{place}: **{row['probability']:.1f}%**{samples}"
        st.progress(row["probability"] / 100, label)


def find_named(candidates: Candidates) -> int | None:
    """The number of the candidate that the visitor named as the true one; None where none is."""
    return find_candidate(candidates, st.session_state.get("truth", ""))


def compare_prompts(study: Study, setup: Setup, picture: Picture | None) -> None:
    """What other prompts do to the answer, and other names of the same concept."""
    if picture is None:
        st.caption(NO_IMAGE)
        return
    model = load(setup.choice)
    (found,) = ask(model, embed(model, setup.candidates, setup.prompts), [picture])
    named = find_named(setup.candidates)
    number = int(found.order[0]) if named is None else named
    name = escape(setup.candidates.names[number])
    prompts = {title: title for title in reversed(PROMPTS)}
    if not isinstance(setup.prompts, str):
        prompts["own"] = setup.prompts
    rows = follow(
        "Reading the candidates in other words",
        lambda say: experiments.compare_prompts(classifiers(), model, setup.candidates, found.features, prompts, number, say),
    )
    which = "the best candidate" if named is None else "the true one"
    st.markdown(
        f"By the prompts alone, **{name}** ({which}) comes in place {tell_range(rows['rank'], ',')}, with a probability of "
        f"{tell_range(rows['probability'], '.1f')}%."
    )
    show_table(rows.rename(columns={"rank": "place", "first": "comes_first"}), "prompts")
    text = st.text_input(
        f"Other names for {name}",
        key="synonyms",
        bind="query-params",
        placeholder="between commas",
        icon=":material/translate:",
    )
    if text.strip():
        rows = follow(
            "Reading other names",
            lambda say: experiments.compare_synonyms(
                classifiers(), model, setup.candidates, found.features, setup.prompts, number, text.split(",")
            ),
        )
        show_table(rows.rename(columns={"rank": "place"}), "names")
        st.caption("Each name takes the concept's place among the candidates; the others stay as they are.")


def score_batch(study: Study, setup: Setup, picture: Picture | None) -> None:
    """Accuracy on the visitor's own labelled images, by how frequent their concepts are."""
    st.markdown(
        "A zip, or several images, with labels from a CSV (columns file and label), from folder names, or from file names "
        "(`red_fox_3.jpg`). Labels are the candidates chosen above."
    )
    bound_store()
    st.file_uploader(
        "Labelled images", accept_multiple_files=True, key=BATCH, max_upload_size=ZIP_MB, label_visibility="collapsed"
    )
    labels = choose_word("Labels from", ["any", *SOURCES], "labels")
    hand = find_hand(BATCH)
    take_batch(hand, st.session_state[BATCH])
    if not hand.keys:
        st.caption(
            f"A zip may have {ZIP_MB} MB, an image {UPLOAD_BYTES // 2**20} MB, a batch {MAX_IMAGES:,} images and "
            f"{BATCH_BYTES // 2**20} MB, unpacked. They stay in the memory of this session and are gone with it."
        )
        return
    model = load(setup.choice)
    classifier = embed(model, setup.candidates, setup.prompts)
    facts = describe(study, setup, model)
    titles = corpus_titles(study)
    corpus = setup.find_corpus(facts, titles)
    key = (study.token, classifier.key, corpus, facts.method, labels, *hand.keys)
    if st.session_state.get(SCORED, (None,))[0] != key:
        parts = [part for file in hand.keys for part in hand.get(file)]
        read = label_parts(parts, setup.candidates, labels=None if labels == "any" else labels)
        scope = limit(study, setup, facts)
        read = follow("Looking at how the images look", lambda say: leave_out_foreign(read, scope, say))
        st.session_state[SCORED] = (key, score(model, classifier, facts, read, corpus))
    show_report(st.session_state[SCORED][1])
    if corpus in titles and corpus != facts.own_corpus:
        st.caption(f"The counts are those of {escape(titles[corpus])}, {tell_not_seen(facts)}.")


def show_report(report: BatchReport) -> None:
    """A batch's accuracy, by frequency and over all, its mistakes, and what was left out."""
    left, middle, right = st.columns(3)
    left.metric("accuracy", f"{report.accuracy:.1f}%", border=True)
    middle.metric("images", f"{len(report.rows):,} of {report.read:,} files", border=True)
    wrong = int((~report.rows["right"]).sum())
    right.metric("taken for something else", f"{wrong:,}", border=True)
    st.caption(escape(report.books))
    st.markdown(escape(report.sentence))
    st.markdown(f"**Accuracy by samples in {escape(report.corpus or 'the corpus')}**")
    show_table(report.bins.drop(columns=["low", "high"]), "bins")
    if len(report.confusions):
        st.markdown("**What it takes for what**")
        show_table(report.confusions, "confusions")
    with st.expander(f"All {len(report.rows):,} images as a table"):
        show_table(report.rows.rename(columns={"rank": "place"}), "batch")
    if len(report.refused):
        with st.expander(f"Left out: {len(report.refused):,} of the files"):
            show_table(report.refused, "left-out")
    if len(report.unused_rows):
        with st.expander(f"Rows of the table of labels that label nothing: {len(report.unused_rows):,}"):
            show_table(report.unused_rows, "unused-rows")


def find_images(study: Study, setup: Setup, picture: Picture | None) -> None:
    """The study's images that a model puts nearest to a text."""
    text = st.text_input(
        "Text",
        key="described",
        bind="query-params",
        placeholder="a photo of a …",
        icon=":material/image_search:",
        max_chars=300,
    )
    if not text.strip():
        return
    study.require("samples")
    model = load(setup.choice)
    embedded = list(nearest.list_embedded(study, model)["corpus"])
    corpora = [*embedded, *(corpus for corpus in study.list_corpora("samples") if corpus not in embedded)]
    corpus = choose_corpus(study, corpora, "searched")
    title = escape(corpus_titles(study).get(corpus, corpus))
    some = None if corpus in embedded else draw_some(study, model, corpus, title)
    rows = follow("Comparing", lambda say: nearest.find_images(study, corpus, model, text, some))
    st.caption(f"The images of {title} that the model puts nearest to the text.")
    show_gallery(study, rows, "nearest", lambda row: [f"similarity **{row.similarity:.3f}**"])


def draw_some(study: Study, model: Model, corpus: str, title: str) -> nearest.Embeddings:
    """Embeddings of some images of a corpus, drawn by lot; of more at a press of a button."""
    images = nearest.count_images(study, corpus)
    most = min(images, MOST_DRAWN)
    place = st.container(horizontal=True, vertical_alignment="center")
    more = most > DRAWN and place.toggle(f"Look through {most:,}, which takes longer once", key="more-drawn")
    count = most if more else min(images, DRAWN)
    some = follow(
        f"Looking through {count:,} images of {title}",
        lambda say: nearest.draw_embeddings(study, corpus, model, count, say=say),
    )
    if count < images:
        command = f" All of them: `{nearest.tell_command(study, model)}`" if images > MOST_DRAWN else ""
        place.caption(f"Searched: {count:,} of its {images:,} images, drawn by lot.{command}", width="content")
    return some


TABS = {
    "Models side by side": compare_models,
    "Prompts and names": compare_prompts,
    "A labelled batch": score_batch,
    "Text to images": find_images,
}
