"""What looks at an image: the model, the candidates and the prompts that a visitor chooses; each is made once for all."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from backend import frequency, scaling
from backend.errors import EmptySelection
from backend.methods import sort_methods
from backend.models import catalogue
from backend.models.catalogue import MODELS, NO_DOWNLOADS, ModelChoice
from backend.models.classifiers import CACHE, Classifier, ClassifierCache
from backend.models.encode import Model
from backend.models.kept import ModelShelf
from backend.models.prompts import PROMPTS, check_templates
from backend.probe.advice import Advice, advise_models, find_named
from backend.probe.batch import BatchReport, score_batch
from backend.probe.candidates import KIND, Candidates, list_candidate_sets, read_candidates
from backend.probe.candidates import choose_candidates as choose_candidates_of_study
from backend.probe.facts import Facts, describe_candidates, find_study_model
from backend.probe.labelled import Batch
from backend.probe.reference import Reference, build_reference, learn_appearance
from backend.probe.scope import Scope, find_scope, is_invented
from backend.settings import ModelSettings, is_local, read_settings
from backend.study import Study
from pages.ui.address import answer
from pages.ui.choice import read_choice
from pages.ui.controls import accept_name, choose_method, choose_word, corpus_titles
from pages.ui.progress import follow
from pages.ui.text import escape

SHIPPED, OPENCLIP, OWN_FILE = "shipped", "OpenCLIP", "a file"
TO_DOWNLOAD = " (to download)"  # what addresses said once behind a model that was not there
ALLOWED = "probe-download"
FOLLOWED = "probe-followed-model"
NOT_OPENED = "probe-place-not-opened"
TYPED, OWN = "typed", "own"
OWN_CORPUS = "the model's own"
MAX_ADDRESS = 6_000  # characters of names or templates, which stand in the address


@dataclass(frozen=True)
class Setup:
    """What a visitor chose: the model, what it is to choose from, and how that is named to it and counted.

    corpus: whose counts sentences use, or that they are the model's own · chosen: that of the sidebar.
    """

    choice: ModelChoice
    candidates: Candidates
    prompts: str | tuple[str, ...]
    method: str
    corpus: str
    setting: str
    chosen: str | None

    def find_corpus(self, facts: Facts, titles: dict[str, str]) -> str:
        """The corpus whose counts sentences use: that chosen here, the model's own or, where it is not known, the sidebar's."""
        if self.corpus != OWN_CORPUS:
            return self.corpus
        known = [corpus for corpus in titles if corpus in facts.corpora]
        return next((corpus for corpus in (facts.own_corpus, self.chosen) if corpus in known), (known or [""])[-1])


@st.cache_resource(show_spinner=False)
def _shelf() -> ModelShelf:
    """The loaded models, one shelf for all visitors."""
    return ModelShelf()


@st.cache_resource(show_spinner=False)
def classifiers() -> ClassifierCache:
    """The text embeddings, one store for all visitors."""
    return ClassifierCache(CACHE / "classifiers")


@st.cache_data(show_spinner="Listing OpenCLIP's models")
def _list_openclip() -> list[ModelChoice]:
    return catalogue.list_openclip()


@st.cache_data(show_spinner=False, ttl=60)
def _list_offered(roots: tuple[Path, ...], shipped: Path) -> list[ModelChoice]:
    return catalogue.list_offered(roots, shipped)


def list_shipped() -> list[ModelChoice]:
    """The models that come with the program."""
    return catalogue.list_shipped(MODELS)


def list_offered() -> list[ModelChoice]:
    """The models that come with the program, and those in the folders that whoever runs it declares."""
    return _list_offered(read_model_settings().roots, MODELS)


def read_model_settings() -> ModelSettings:
    """What this visitor may do: by the environment, and by whether the server listens to its own machine alone."""
    return read_settings(is_local(st.get_option("server.address"), st.context.headers))


def choose_setup(study: Study, expanded: bool) -> Setup:
    """The controls of model, candidates, prompts and counts, in a box that stands open at first or not."""
    with st.expander("Model, candidates, prompts and counts", expanded=expanded, icon=":material/tune:"):
        model, candidates, prompts, counts = st.columns([11, 9, 6, 8])
    with counts:
        methods = list(answer(frequency.list_methods, study)["method"])
        method = choose_method(sort_methods(methods), default=methods[0])
        titles = corpus_titles(study)
        accept_name("counts_of", list(titles), titles.get)
        corpus = st.selectbox(
            "Counts of",
            [OWN_CORPUS, *titles],
            format_func=lambda corpus: titles.get(corpus, corpus),
            key="counts_of",
            bind="query-params",
            help="Whose counts stand beside the guesses. The model's own: of the corpus that it was trained on, whichever one "
            "the sidebar shows; where that is not counted here, the sidebar's.",
        )
    with model:
        choice = choose_model(study, method)
    with candidates:
        chosen = choose_candidates(study, method)
    with prompts:
        how = choose_prompts()
    return Setup(choice, chosen, how, method, corpus, find_setting(study, how), read_choice(study).corpus)


@st.cache_data(show_spinner=False, hash_funcs={Study: lambda study: study.token})
def _advise(study: Study, offered: list[ModelChoice], method: str) -> list[Advice]:
    return advise_models(study, offered, method)


def advise(study: Study, method: str) -> list[Advice]:
    """The models of OpenCLIP whose own corpus the study counts; of an invented world none is among them."""
    return [] if is_invented(study, list_shipped()) else _advise(study, _list_openclip(), method)


def choose_model(study: Study, method: str) -> ModelChoice:
    """A model that is offered here, one of OpenCLIP's, or one that the visitor names by its place, where that is allowed.

    Loads nothing. In an invented world the models come first that were trained on it, and its own causal comparison says with
    which to begin: the one whose data hardly shows some concepts. In other studies OpenCLIP's come first, and of them those
    whose corpus the study counts.
    """
    offered, allowed = list_offered(), read_model_settings()
    invented = is_invented(study, list_shipped())
    known = [SHIPPED, OPENCLIP] if invented else [OPENCLIP, SHIPPED]
    sources = [source for source in known if offered or source != SHIPPED] + ([OWN_FILE] if allowed.paths else [])
    if not allowed.paths and st.query_params.get("clip_from") == OWN_FILE:
        st.session_state[NOT_OPENED] = True  # for Streamlit takes out of the address what is no choice
    if NOT_OPENED in st.session_state:
        st.caption("A link asked for a model by its place, which this server does not let visitors name.")
    source = choose_word("Model", sources, "clip_from")
    if source == OWN_FILE:
        spec = st.text_input(
            "Folder or checkpoint",
            key="clip_file",
            bind="query-params",
            placeholder="a folder in OpenCLIP's format, or ViT-B-32:weights.pt",
            help="On the machine that runs this program: a folder with open_clip_config.json and its weights, or an "
            "architecture of OpenCLIP, a colon, and a file of weights.",
        ).strip()
        return ModelChoice(spec, spec.replace("\\", "/").rstrip("/").rpartition("/")[2] or spec, True, "")
    advised = [one.choice for one in advise(study, method)] if source == OPENCLIP else []
    models = {choice.title: choice for choice in [*advised, *(offered if source == SHIPPED else _list_openclip())]}
    if not allowed.downloads:
        models = {title: choice for title, choice in models.items() if choice.here or choice in advised}
    if not models:
        return ModelChoice("", OPENCLIP, False, f"No weights of OpenCLIP's are on this machine. {NO_DOWNLOADS}")
    asked = "" if "clip" in st.session_state else st.query_params.get("clip", "")
    if asked.endswith(TO_DOWNLOAD):
        st.query_params["clip"] = asked.removesuffix(TO_DOWNLOAD)
        st.rerun()
    first = find_followed(study, list(models))
    title = st.selectbox(
        "Which model",
        list(models),
        list(models).index(first),
        key="clip",
        bind="query-params",
        label_visibility="collapsed",
    )
    if not models[title].here:
        st.caption("Not on this machine yet.")
    return models[title]


def find_followed(study: Study, titles: list[str]) -> str:
    """The model that the sidebar's choice comes to, of those offered; else that of the causal comparison, else the first.

    Where the sidebar's model has just become another one, the control here follows.
    """
    chosen = read_choice(study).model
    same = next((title for title in titles if find_named(title, [chosen])), None) if chosen else None
    if same and st.session_state.get(FOLLOWED, chosen) != chosen:
        st.session_state["clip"] = same
    st.session_state[FOLLOWED] = chosen
    compared = next((pair.models[0] for pair in scaling.list_comparisons(study)), None)
    return same or (compared if compared in titles else titles[0])


def offer_download(choice: ModelChoice) -> None:
    """What fetching a model's weights comes to, and the button that does it; nothing else on the page downloads.

    Raises TailscopeError where a download fails.
    """
    if not read_model_settings().downloads:
        st.info(escape(choice.note if not choice.spec else NO_DOWNLOADS), icon=":material/cloud_off:")
        return
    size = follow("Looking up its size", lambda say: catalogue.describe_download(choice.spec))
    name = escape(choice.title)
    st.info(f"The weights of {name} are not on this machine. {escape(size)}", icon=":material/cloud_download:")
    st.button(f"Download {name}", on_click=_allow, args=(choice.spec,), key="download-model", icon=":material/download:")
    if st.session_state.pop(ALLOWED, None) == choice.spec:
        follow(f"Downloading {name}", lambda say: _shelf().get(choice.spec, allow_download=True, say=say))
        _list_openclip.clear()
        st.rerun()


def _allow(spec: str) -> None:
    """Notes the one model that may be fetched in the run that follows."""
    st.session_state[ALLOWED] = spec


def choose_candidates(study: Study, method: str) -> Candidates:
    """A set of names that the study offers, or names that the visitor types."""
    sets = answer(list_candidate_sets, study, method)
    titles = dict(zip(sets["key"], sets["title"], strict=True)) | {TYPED: "Names that I type"}
    accept_name("among", list(titles), titles.get)
    key = st.selectbox("Candidates", list(titles), format_func=titles.get, key="among", bind="query-params")
    if key != TYPED:
        return answer(choose_candidates_of_study, study, key, method)
    text = st.text_area(
        "Names",
        key="names",
        bind="query-params",
        max_chars=MAX_ADDRESS,
        placeholder="one a line, or between commas",
        label_visibility="collapsed",
    )
    return answer(read_candidates, study, text)


def choose_prompts() -> str | tuple[str, ...]:
    """A prompt strategy, or the visitor's own templates."""
    chosen = st.selectbox(
        "Prompts",
        [*reversed(PROMPTS), OWN],
        key="prompts",
        bind="query-params",
        help="How a candidate is named to the model. ensemble: the mean over OpenCLIP's seven templates; simple: “a photo of "
        "a NAME.”; class: the bare name; own: your templates.",
    )
    if chosen != OWN:
        return chosen
    lines = st.text_area(
        "Templates",
        "a photo of a {}.",
        key="templates",
        bind="query-params",
        max_chars=MAX_ADDRESS,
        label_visibility="collapsed",
        placeholder="one a line, {} where the name goes",
    )
    return check_templates(lines.splitlines())


def find_setting(study: Study, prompts: str | tuple[str, ...]) -> str:
    """The setting whose scores are shown: the prompts chosen where the study has them, else the study's own default."""
    if not study.has("performance"):
        return ""
    settings = answer(scaling.list_settings, study)
    names = list(settings.loc[settings["kind"] == KIND, "setting"])
    return prompts if prompts in names else (names or [""])[0]


def load(choice: ModelChoice) -> Model:
    """The chosen model, loaded for the first who asks, and what had to be assumed of it; raises what a visitor can mend."""
    if not choice.spec:
        raise EmptySelection(choice.note or "Name a folder in OpenCLIP's format, or an architecture and a file of weights.")
    catalogue.check_spec(choice.spec, read_model_settings(), MODELS)
    model = follow(f"Loading {escape(choice.title)}", lambda say: _shelf().get(choice.spec, say=say))
    for note in model.notes:
        st.caption(escape(note))
    return model


def embed(model: Model, candidates: Candidates, prompts: str | tuple[str, ...]) -> Classifier:
    """The candidates as the model reads them."""
    label = f"Reading {len(candidates.names):,} candidates to {escape(model.name)}"
    return follow(label, lambda say: classifiers().get(model, candidates.names, prompts, say))


def describe(study: Study, setup: Setup, model: Model) -> Facts:
    """What the study knows of the candidates and of the model's scores on them."""
    return answer(
        describe_candidates,
        study,
        setup.candidates,
        method=setup.method,
        setting=setup.setting,
        study_model=find_study_model(study, model),
    )


def refer(study: Study, model: Model, classifier: Classifier) -> Reference | None:
    """How well candidates fit the study's own images; None where it has none."""
    return follow(
        "Looking at images of the study, to know what a good fit is",
        lambda say: build_reference(study, model, classifier, CACHE / "references", say),
    )


def limit(study: Study, setup: Setup, facts: Facts) -> Scope:
    """Which pictures the chosen model can answer on."""
    look = follow("Looking at images of the study", lambda say: learn_appearance(study, CACHE / "references", say))
    shipped = {choice.spec: choice for choice in list_shipped()}
    return find_scope(
        study,
        shipped.get(setup.choice.spec, setup.choice),
        own_corpus=facts.own_corpus,
        look=look,
        closed=is_invented(study, shipped.values()) and any(setup.candidates.concepts),
    )


def score(model: Model, classifier: Classifier, facts: Facts, batch: Batch, corpus: str) -> BatchReport:
    """What the model makes of a labelled batch."""
    label = f"Looking at {len(batch.items):,} images"
    return follow(label, lambda say: score_batch(model, classifier, facts, batch, corpus, say))
