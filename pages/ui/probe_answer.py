"""What a model makes of an image: the best candidates, how often the data shows each, and where the true one stands."""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from backend import frequency
from backend.models.classifiers import Classifier
from backend.models.device import describe_device
from backend.models.encode import Model
from backend.probe.answer import Answer, Truth, judge_truth, probe_images, tabulate_answer
from backend.probe.candidates import Candidates, find_candidate
from backend.probe.facts import Facts, find_examples
from backend.probe.reference import FitVerdict, judge_fit
from backend.probe.scope import Scope
from backend.probe.uploads import open_upload
from backend.shelf import Shelf
from backend.study import Study
from pages.ui.address import answer, concept_address, find_other_study, link_concept, link_study
from pages.ui.blocks import format_count, show_table
from pages.ui.controls import corpus_titles
from pages.ui.gallery import show_picture
from pages.ui.probe_images import Picture, tell_samples
from pages.ui.probe_setup import Setup, describe, embed, limit, load, refer
from pages.ui.progress import follow
from pages.ui.text import escape, shorten

ANSWERED = "probe-answers"  # of this session
ANSWERED_BYTES = 16 * 2**20  # an answer over 50,000 candidates takes 1 MB
OBSTACLES, MAX_OBSTACLES = "probe-obstacles", 256  # of this session
FOREIGN, UNABLE = "Not one of this study's pictures", "This model cannot know it"  # in place of a guess
BEST, ROWS = 5, 100  # candidates shown in full; in a table
PICTURES = 150  # pixels of the two pictures of a candidate


def ask(model: Model, classifier: Classifier, pictures: list[Picture]) -> list[Answer]:
    """The model's answer on each image; this session's last ones are remembered."""
    held: Shelf[Answer] = st.session_state.setdefault(ANSWERED, Shelf(ANSWERED_BYTES, _weigh))

    def look(picture: Picture) -> Answer:
        return follow("Looking at the image", lambda say: _look(model, classifier, picture))

    return [held.get((classifier.key, picture.key), partial(look, picture)) for picture in pictures]


def _weigh(found: Answer) -> int:
    return sum(array.nbytes for array in (found.similarities, found.probabilities, found.order, found.features))


def _look(model: Model, classifier: Classifier, picture: Picture) -> Answer:
    return probe_images(model, classifier, [open_upload(picture.read()).image])[0]


def find_obstacles(scope: Scope, pictures: list[Picture]) -> list[str]:
    """Why the model cannot know each image, "" where it may; this session's last findings are remembered."""
    held: Shelf[str] = st.session_state.setdefault(OBSTACLES, Shelf(MAX_OBSTACLES, lambda found: 1))

    def look(picture: Picture) -> str:
        return scope.find_obstacle(open_upload(picture.read()).image)

    key = (scope.never, scope.foreign, scope.look.limit if scope.look else None)
    return [held.get((*key, picture.key), partial(look, picture)) for picture in pictures]


def show_answers(study: Study, setup: Setup, pictures: list[Picture], picture: Picture) -> None:
    """The whole answer on one of the images; where there are several, first one line each."""
    model = load(setup.choice)
    classifier = embed(model, setup.candidates, setup.prompts)
    answers = ask(model, classifier, pictures)
    facts = describe(study, setup, model)
    titles = corpus_titles(study)
    corpus = setup.find_corpus(facts, titles)
    scope = limit(study, setup, facts)
    obstacles = find_obstacles(scope, pictures)
    if len(pictures) > 1:
        show_overview(facts, answers, pictures, obstacles, corpus)
    found, obstacle = answers[pictures.index(picture)], obstacles[pictures.index(picture)]
    rows = tabulate_answer(facts, found, len(setup.candidates.names))
    left, right = st.columns([1, 2])
    with left:
        st.image(picture.preview, width="stretch", alt=picture.name)
        st.caption(f"{escape(picture.name)}: {escape(picture.about)}")
    with right:
        if obstacle:
            show_obstacle(UNABLE if scope.never else FOREIGN, obstacle, scope.tested)
        else:
            show_headline(rows.iloc[0], facts, titles, corpus)
        st.caption(
            f"{escape(setup.choice.title)} on {escape(describe_device(model.device))}; "
            f"{len(setup.candidates.names):,} candidates: {escape(setup.candidates.title)}."
        )
        if not obstacle:
            if reference := refer(study, model, classifier):
                show_fit(judge_fit(found, reference))
            named = show_truth_box(setup.candidates)
            if named is not None:
                show_truth(judge_truth(facts, found, named, corpus))
    if obstacle:
        with st.expander("What the model says all the same"):
            show_candidates(study, setup, facts, rows, None)
        return
    own = facts.own_corpus in titles and corpus == facts.own_corpus
    st.header("How often had it seen such things?" if own else "How often do the corpora show such things?", anchor=False)
    if facts.own_corpus not in titles:
        st.caption(
            f"What {escape(setup.choice.title)} was trained on is not counted here: these are the counts of others' data."
        )
    show_candidates(study, setup, facts, rows, named)
    show_rows(facts, rows, titles)


def show_candidates(study: Study, setup: Setup, facts: Facts, rows: pd.DataFrame, named: int | None) -> None:
    """The best candidates and the true one, each with what is known of it."""
    titles = corpus_titles(study)
    corpus = setup.find_corpus(facts, titles)
    for row in rows[(rows["rank"] <= BEST) | (rows["number"] == named)].to_dict("records"):
        mark = f" · the true one, place {row['rank']:,}" if row["number"] == named else ""
        sure = f"**{row['probability']:.1f}%** · similarity {row['similarity']:.3f}{mark}"
        show_candidate(study, row, tell_candidate(row, facts, titles, corpus), sure)
    st.caption(tell_scores(facts, setup.choice.title, titles))


def show_rows(facts: Facts, rows: pd.DataFrame, titles: dict[str, str]) -> None:
    """The best candidates as a table."""
    table = rows.head(ROWS).drop(columns="number").rename(columns={"rank": "place", "tail": "in_tail"})
    table = frequency.spread_counts(table, facts.counts, titles)
    with st.expander(f"The best {len(table)} candidates as a table"):
        show_table(table, "candidates", titles=titles)


def show_overview(facts: Facts, answers: list[Answer], pictures: list[Picture], obstacles: list[str], corpus: str) -> None:
    """One line an image: what comes first, and how often a corpus shows it; nothing of images that the model cannot know."""
    best = pd.concat([tabulate_answer(facts, found, 1) for found in answers], ignore_index=True)
    best["count"] = frequency.pick_counts(facts.counts, corpus, best["concept"])
    best = best.rename(columns={"tail": "in_tail"})
    columns = ["name", "probability", "similarity", *(["count"] if corpus else []), "percentile", "in_tail"]
    unknown = np.repeat(np.array(obstacles, dtype=bool)[:, None], len(columns), axis=1)
    best = best[columns].astype({"in_tail": "boolean"}).mask(unknown)
    best["name"] = best["name"].fillna("cannot be known")
    best.insert(0, "file", [picture.name for picture in pictures])
    show_table(best, "images")


def show_obstacle(title: str, obstacle: str, tested: str) -> None:
    """That the model cannot know such a picture, where its best guess would stand, and where to ask another one."""
    st.header(title, anchor=False)
    st.markdown(escape(obstacle))
    if tested:
        st.caption(escape(tested))
    if other := find_other_study("frequency"):
        link_study("pages/probe.py", other, "Ask in")


def show_headline(best: pd.Series, facts: Facts, titles: dict[str, str], corpus: str) -> None:
    """The best candidate, how sure the model is, and how often a corpus shows it."""
    st.header(f"{escape(shorten(best['name'], 80))}: {best['probability']:.0f}%", anchor=False)
    if corpus not in facts.corpora:
        return
    title, own = escape(titles[corpus]), corpus == facts.own_corpus
    count = facts.find_counts(best["number"]).get(corpus)
    if count is None:
        st.markdown(f"{title}{', which it was trained on,' if own else ''} does not count it.")
    elif own:
        st.markdown(f"{title}, which it was trained on, shows it in **{tell_samples(count)}**; {tell_place(best, '.')}")
    else:
        st.markdown(f"{title}, {tell_not_seen(facts)}, shows it in {tell_samples(count)}; {tell_place(best, '.')}")


def tell_not_seen(facts: Facts) -> str:
    """That a model was not trained on a corpus, or that nothing says that it was."""
    return "which it was not trained on" if facts.own_corpus else "which it is not known to have seen"


def show_fit(verdict: FitVerdict) -> None:
    """Whether any candidate fits at all."""
    if verdict.poor:
        st.warning(escape(verdict.sentence), icon=":material/help:")
    else:
        st.caption(escape(verdict.sentence))


def show_truth_box(candidates: Candidates) -> int | None:
    """The number of the candidate that the visitor says is the true one; None where none is named."""
    query = st.text_input(
        "What is it really?",
        key="truth",
        bind="query-params",
        placeholder="the true name, to see its place and what beat it",
        icon=":material/verified:",
    )
    if not query.strip():
        return None
    number = find_candidate(candidates, query)
    if number is None:
        st.info(f"“{escape(shorten(query, 80))}” is not among the candidates.", icon=":material/info:")
    return number


def show_truth(truth: Truth) -> None:
    """The place of the true candidate, and what beat it."""
    sentence = escape(truth.sentence)
    if truth.rank == 1:
        st.success(sentence, icon=":material/check:")
        return
    st.warning(sentence, icon=":material/close:")
    winners = truth.winners.drop(columns="concept").head(ROWS)
    winners.insert(0, "place", range(1, len(winners) + 1))
    with st.expander("What beat it" if len(winners) < ROWS else f"The first {ROWS} that beat it"):
        show_table(winners, "winners")


def show_candidate(study: Study, row: dict, lines: list[str], sure: str = "") -> None:
    """One thing in a box: two pictures of it, the way to its page, lines of what is known of it; `sure`: what the model says
    of it, beside its probability, where one looked.
    """
    concept = row["concept"] if isinstance(row["concept"], str) else None
    _, examples = answer(find_examples, study, concept, 2)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        if len(examples):
            with st.container(width=PICTURES), st.grid(2, min_column_width=40, wrap=False, gap="xsmall"):
                for example in examples.itertuples(index=False):
                    show_picture(study, example, link=concept_address(concept))
        with st.container(gap="xsmall"):
            if concept:
                link_concept(concept)
            if row["name"] != concept:
                st.markdown(f"“{escape(shorten(row['name'], 60))}”")
            if sure:
                st.progress(row["probability"] / 100, sure)
        with st.container():
            st.caption("  \n".join(lines))


def tell_candidate(row: dict, facts: Facts, titles: dict[str, str], corpus: str) -> list[str]:
    """Lines on one candidate: its counts and where it stands among the concepts, the score measured and the one expected."""
    if not isinstance(row["concept"], str):
        return ["not a concept of this study"]
    counts = facts.find_counts(row["number"])
    lines = []
    names = {name: escape(title) for name, title in titles.items() if name in counts}
    if corpus in names:
        seen = "its own data, " if corpus == facts.own_corpus else ""
        lines.append(f"**{tell_samples(counts[corpus])}** in {seen}{names[corpus]}")
    others = [f"{format_count(counts[name])} in {title}" for name, title in names.items() if name != corpus]
    if others or not lines:
        lines.append(" · ".join(others) or "not counted")
    if pd.notna(row["percentile"]):
        lines.append(tell_place(row))
    scores = []
    if pd.notna(row["measured"]):
        scores.append(f"measured **{row['measured']:.0f}%**")
    if pd.notna(row["expected"]):
        beyond = ", beyond its counts" if row["extrapolates"] else ""
        scores.append(f"expected {row['expected']:.0f}% ({row['low']:.0f} to {row['high']:.0f}{beyond})")
    return [*lines, f"accuracy: {', '.join(scores)}"] if scores else lines


def tell_place(row: dict | pd.Series, end: str = "") -> str:
    """Where a counted candidate stands among the concepts by frequency, and whether that is in the tail."""
    return f"{row['percentile']:.0f}% of the concepts are rarer{end}" + (" :orange-badge[tail]" if row["tail"] else "")


def tell_scores(facts: Facts, title: str, titles: dict[str, str]) -> str:
    """Where the scores of the candidates come from, or why there are none."""
    if facts.model is None:
        return f"{escape(title)} is not in this study, so no accuracy was measured and none can be expected."
    expected = (
        f"Expected: the median of its scores on the concepts that are about as frequent in {escape(titles[facts.own_corpus])}; "
        "4 in 5 of them score between the two numbers. "
        if facts.own_corpus in titles
        else "Its own corpus is not counted in this study, so no accuracy can be expected. "
    )
    return f"{expected}Measured: the accuracy of {escape(facts.model)} on the concept in the study ({escape(facts.setting)})."
