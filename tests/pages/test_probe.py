"""The live probe: images in by every way, the answer with its frequencies, experiments; and what strangers hand in."""

import io
import json
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from backend.errors import TailscopeError
from backend.frequency import name_count_column
from backend.models import catalogue
from backend.models.catalogue import ModelChoice
from backend.models.classifiers import ClassifierCache
from backend.models.loading import load_model
from backend.probe.answer import probe_images
from backend.probe.candidates import choose_candidates
from backend.probe.held import Hands
from backend.probe.uploads import open_upload
from backend.roots import IMAGE_ROOTS
from backend.settings import ALLOW_DOWNLOADS, ALLOW_PATHS, MODEL_ROOTS
from backend.study import Study
from pages.ui import handed, probe_experiments
from pages.ui import probe_images as shown_images
from pages.ui.probe_images import tell_samples
from pages.ui.text import escape
from precompute.evaluate.embeddings import embed_study
from tests.invented_world import CONCEPTS, NEVER, draw_sample, true_counts
from tests.pages.session import assert_whole, choose, downloads, explained, find, links, open_page, said, table, told, written
from tests.strange_study import NAMES as STRANGE
from tests.strange_study import write_strange
from tests.tiny_clip import draw_pictures, write_model
from tests.tiny_study import ANIMALS

TITLES = ("vit/zipf", "vit/balanced")
HOSTILE_NAME = "![a](https://evil.example/x.png) <b>*c*</b> $d$ :red[e].png"
UPLOADER, SORRY = "upload-images", ":material/block:"


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """A folder of two shipped models, one for each of the invented world's."""
    folder = tmp_path_factory.mktemp("models")
    for seed, title in enumerate(TITLES):
        place = write_model(folder / title.replace("/", "-"), seed)
        (place / "card.json").write_text(json.dumps({"model": title, "corpus": title.partition("/")[2]}))
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """Where the text embeddings of these tests are kept."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def shipped(models, cache, monkeypatch) -> None:
    """The program comes with the two tiny models."""
    monkeypatch.setattr("pages.ui.probe_setup.MODELS", models)
    monkeypatch.setattr("pages.ui.probe_setup.CACHE", cache)


@pytest.fixture(scope="session")
def evaluated(models, invented_study) -> dict:
    """The manifest's entry that says by their weights which models the study has scored."""
    made = {title: {"weights_sha256": load_tiny(models, title).weights_sha256} for title in TITLES}
    return invented_study.manifest.raw["arguments"] | {"evaluate": made}


@pytest.fixture
def scored_world(place_study, invented_study, evaluated, monkeypatch) -> Study:
    """The invented world, which knows the shipped models' scores; its pictures lie where they were."""
    monkeypatch.setenv(IMAGE_ROOTS, str(invented_study.folder))
    return place_study("synthetic", source=invented_study, arguments=evaluated)


def load_tiny(models: Path, title: str):
    return load_model(str(models / title.replace("/", "-")))


def draw(number: int = 0, form: str = "PNG", **options) -> bytes:
    """A picture as the invented world has them, cut to a square."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(draw_sample(3 * number, number))).crop((4, 0, 44, 40)).save(stream, form, **options)
    return stream.getvalue()


def draw_foreign(number: int = 0) -> bytes:
    """A picture as the invented world has none."""
    stream = io.BytesIO()
    draw_pictures(4)[number].save(stream, "PNG")
    return stream.getvalue()


def hand_in(app, *files: tuple[str, bytes], key: str = UPLOADER):
    find(app, "file_uploader", key).set_value([(name, content, "image/png") for name, content in files])
    return app.run()


def probed(*files: tuple[str, bytes], **address):
    """The page, whole, after these files were uploaded."""
    return assert_whole(hand_in(open_page("probe", **address), *(files or [("a.png", draw())])))


def expect(models: Path, study: Study, cache: Path, content: bytes, prompts="ensemble", title=TITLES[0], key="all"):
    """Candidates and answer, worked out without the page."""
    model = load_tiny(models, title)
    candidates = choose_candidates(study, key, "lemmatized")
    classifier = ClassifierCache(cache / "expected").get(model, candidates.names, prompts)
    return candidates, probe_images(model, classifier, [open_upload(content).image])[0]


def refusals(app) -> list[str]:
    return [re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", box.value) for box in app.warning if box.icon == SORRY]


# Before an image


def test_page_without_an_image_says_what_to_do_and_loads_no_model(world, monkeypatch):
    monkeypatch.setattr("pages.ui.probe_setup._shelf", lambda: pytest.fail("A model was asked for."))
    app = assert_whole(open_page("probe"))
    assert app.title[0].value == "Does CLIP know what is on my photo?"
    assert told(app) == ["No image yet. Choose one above."]
    assert "Images stay in the memory of this session and are gone with it" in said(app)
    assert "softmax" in explained(app)


def test_every_experiment_without_an_image_is_a_sentence_or_a_control(world):
    for tab in ("Models side by side", "Prompts and names", "A labelled batch", "Text to images"):
        assert_whole(open_page("probe", experiment=tab))


def test_first_model_is_the_one_trained_on_the_corpus_of_the_causal_comparison(world):
    assert find(open_page("probe"), "selectbox", "clip").value == "vit/zipf"


def test_counts_only_study_takes_uploads_and_offers_no_samples(published):
    app = probed()
    assert "the study" not in find(app, "button_group", "source").options
    assert len(app.get("image")) == 1
    assert "a.png: 40 × 40 pixels, PNG" in said(app)


# A study of the real world


def test_study_of_the_real_world_runs_no_model_that_nobody_picked(published, monkeypatch):
    monkeypatch.setattr("pages.ui.probe_setup._shelf", lambda: pytest.fail("A model was asked for."))
    app = probed()
    assert find(app, "button_group", "clip_from").options == ["OpenCLIP", "shipped"]
    assert find(app, "selectbox", "clip").value == "ViT-B-32/laion400m_e32"
    rows = table(app, "model", "trained_on", "megabytes")
    assert rows["model"].tolist() == ["ViT-B-32/laion400m_e32"]
    assert rows[["trained_on", "fetched"]].to_numpy().tolist() == [["LAION-400M", False]]
    assert "was trained on LAION-400M, which this study counts" in said(app)
    assert "It has 605 MB, to fetch and in memory." in said(app)


def test_name_is_answered_by_counts_and_scores_without_a_model(published):
    app = assert_whole(open_page("probe", truth="Rose, no such thing"))
    text = said(app)
    assert links(app)[0] == "rose"
    assert re.search(r"\*\*[\d,]+ samples\*\* in its own data, LAION-400M", text)
    assert re.search(r"accuracy: measured \*\*\d+%\*\*", text)
    assert "Measured: the accuracy of ViT-B-32/laion400m on the concept" in text
    assert "No concept of this study is named “no such thing”." in told(app)


def test_recommended_model_is_fetched_by_one_button_where_that_is_allowed(published, open_server, monkeypatch):
    asked = []

    class Shelf:
        def get(self, spec, *, allow_download=False, say=None):
            asked.append((spec, allow_download))
            raise TailscopeError("It could not be fetched.")

    monkeypatch.setattr("pages.ui.probe_setup._shelf", lambda: Shelf())
    app = probed()
    find(app, "button", "download-model").click()
    app = assert_whole(app.run())
    assert asked == [("ViT-B-32:laion400m_e32", True)]
    assert "It could not be fetched." in told(app)


def test_invented_model_in_a_study_of_the_real_world_names_no_species(published):
    app = probed(clip_from="shipped")
    assert app.header[0].value == "This model cannot know it"
    assert "has seen nothing but the invented species" in said(app)
    assert "is not in this study, so no accuracy was measured" in said(app)
    assert not app.warning


# The answer


def test_answer_is_the_models_own_with_counts_and_links(world, models, invented_study, cache):
    app = probed()
    candidates, answer = expect(models, invented_study, cache, draw())
    best = [candidates.names[number] for number in answer.order]
    assert app.header[0].value == f"{best[0]}: {100 * answer.probabilities[answer.order[0]]:.0f}%"
    assert links(app)[:5] == best[:5]
    rows = table(app, "place", "probability", "similarity")
    assert rows["name"].tolist() == best
    assert rows["place"].tolist() == list(range(1, 41))
    assert rows["probability"].sum() == pytest.approx(100)
    assert rows["similarity"].tolist() == pytest.approx(answer.similarities[answer.order].tolist(), abs=1e-5)
    assert {"zipf samples", "balanced samples", "percentile", "in_tail"} <= set(rows.columns)
    assert {"candidates.csv", "candidates.parquet"} <= downloads(app)
    assert len(app.get("progress")) == 5


def test_answer_says_what_it_is_measured_with(world):
    text = said(probed())
    assert "vit/zipf on " in text
    assert "40 candidates: All concepts of the study." in text
    assert re.search(r"\d+% of 256 images of Zipf have a lower one\. Below 5%, a fit counts as poor\.", text)
    assert "a.png: 40 × 40 pixels, PNG" in text


def test_every_card_has_two_examples_where_the_study_has_samples(world, models, invented_study, cache):
    app = probed()
    candidates, answer = expect(models, invented_study, cache, draw())
    counts = true_counts("balanced")
    assert len(app.get("image")) == 1 + sum(min(counts[candidates.names[number]], 2) for number in answer.order[:5])


def test_scores_of_a_model_that_the_study_knows_stand_beside_the_expected_ones(scored_world):
    app = probed()
    rows = table(app, "measured", "expected").set_index("name")
    assert rows["measured"].notna().all()
    assert rows.loc["striped daxu", ["measured"]].item() == pytest.approx(30 + 24 * np.log10(120))
    assert (rows["low"] <= rows["expected"]).all()
    text = said(app)
    assert "Zipf, which it was trained on, shows it in " in text
    assert re.search(r"expected \d+% \(\d+ to \d+", text)
    assert re.search(r"measured \*\*\d+%\*\*", text)
    assert "Measured: the accuracy of vit/zipf on the concept in the study (plain)." in text


def test_poor_fit_is_a_warning_with_its_numbers(world, monkeypatch):
    monkeypatch.setattr("backend.probe.reference.POOR_PERCENTILE", 101)
    app = probed()
    boxes = [box.value for box in app.warning]
    assert [box for box in boxes if box.startswith("No candidate fits well\\: the best has a similarity of")] == boxes[-1:]


def test_true_name_gets_its_place_and_what_beat_it(world, models, invented_study, cache):
    candidates, answer = expect(models, invented_study, cache, draw())
    last = candidates.names[answer.order[-1]]
    app = assert_whole(choose(probed(counts_of="zipf"), "text_input", "truth", last.title()))
    winners = table(app, "place", "name", "probability", "count")
    assert winners["name"].tolist() == [candidates.names[number] for number in answer.order[:-1]]
    assert f"“{last}” comes in place 40 of 40." in said(app)
    counts = table(app, "place", "similarity", "zipf samples").set_index("name")["zipf samples"]
    more = (winners["count"] > counts[last]).sum()
    assert f"{more} are more frequent in Zipf than it, which has {counts[last]} samples there." in said(app)
    assert links(app)[:6] == [candidates.names[number] for number in [*answer.order[:5], answer.order[-1]]]
    assert "the true one, place 40" in app.get("progress")[5].proto.text


def test_true_name_that_comes_first_is_said(world, models, invented_study, cache):
    candidates, answer = expect(models, invented_study, cache, draw())
    app = probed(truth=candidates.names[answer.order[0]])
    app = choose(app, "text_input", "truth", candidates.names[answer.order[0]])
    assert "comes first of 40 candidates" in app.success[0].value


def test_name_that_is_no_candidate_is_said(world):
    app = assert_whole(choose(probed(), "text_input", "truth", "a *dodo*"))
    assert "“a *dodo*” is not among the candidates." in told(app)
    assert "a *dodo*" not in "\n".join(written(app))


def test_another_image_forgets_what_the_one_before_it_was(world):
    app = choose(probed(), "text_input", "truth", "striped daxu")
    app = hand_in(app, ("b.png", draw(1)))
    assert find(app, "text_input", "truth").value == ""


# Pictures that the model cannot know


def test_picture_that_is_none_of_the_studys_gets_that_sentence_and_no_species(scored_world, models, cache):
    app = probed(("photo.png", draw_foreign()))
    assert app.header[0].value == "Not one of this study's pictures"
    text = said(app)
    assert "vit/zipf was trained on Zipf alone, so it cannot know what this picture shows." in text
    assert re.search(r"of 166 other pictures of its own, this test keeps \d+ \(9\d%\)", text)
    candidates, answer = expect(models, scored_world, cache, draw_foreign())
    best = candidates.names[answer.order[0]]
    assert "which it was trained on, shows it in" not in text
    assert not any(best in heading.value for heading in app.header)
    assert not [box for box in app.get("text_input") if box.key == "truth"]
    assert not app.warning


def test_overview_of_several_images_names_none_that_cannot_be_known(scored_world):
    rows = table(probed(("own.png", draw()), ("photo.png", draw_foreign())), "file", "name", "count")
    assert rows["name"].tolist()[1] == "cannot be known"
    assert rows.loc[1, ["probability", "count"]].isna().all()
    assert rows.loc[0, ["probability", "count"]].notna().all()


def test_foreign_images_of_a_batch_are_left_out_for_that_reason(scored_world):
    files = {f"{CONCEPTS[0]}/1.png": draw(), f"{CONCEPTS[1]}/photo.png": draw_foreign()}
    app = open_page("probe", experiment="A labelled batch")
    app = assert_whole(hand_in(app, ("b.zip", pack(files)), key="batch-files"))
    assert [metric.value for metric in app.metric][1] == "1 of 2 files"
    (left,) = table(app, "file", "reason").to_dict("records")
    assert left["reason"] == "looks like none of this study's pictures, so the model cannot know what it shows"


def test_foreign_picture_has_no_guesses_side_by_side(scored_world):
    app = probed(("photo.png", draw_foreign()), clips_beside="vit/balanced")
    assert len(app.get("progress")) == 5  # the folded ones
    assert said(app).count("alone, so it cannot know what this picture shows") == 3


def test_counts_of_another_corpus_are_never_what_a_model_had_seen(scored_world):
    own, other = probed(), probed(counts_of="balanced")
    assert "Zipf, which it was trained on, shows it in" in said(own)
    assert "samples** in its own data, Zipf" in said(own)
    assert "Balanced, which it was not trained on, shows it in" in said(other)
    assert "in its own data, Balanced" not in said(other)
    headings = [app.header[1].value for app in (own, other)]
    assert headings == ["How often had it seen such things?", "How often do the corpora show such things?"]


def test_model_of_unknown_data_has_seen_nothing_that_is_counted(world):
    app = probed()
    assert app.header[1].value == "How often do the corpora show such things?"
    assert "What vit/zipf was trained on is not counted here: these are the counts of others' data." in said(app)
    assert "its own data" not in said(app)


def test_batch_says_whose_counts_these_are(scored_world):
    app = open_page("probe", experiment="A labelled batch", counts_of="balanced")
    app = assert_whole(hand_in(app, ("b.zip", pack({f"{CONCEPTS[0]}/1.png": draw()})), key="batch-files"))
    assert "The counts are those of Balanced, which it was not trained on." in said(app)


def test_example_pictures_lead_to_their_concept(world):
    app = probed()
    addresses = [picture.proto.link for picture in app.get("image") if picture.proto.link]
    assert addresses[0] == f"concept?concept={links(app)[0].replace(' ', '+')}"
    assert len(addresses) == len(app.get("image")) - 1


# Several images, and those that are refused


def test_several_images_have_a_line_each_and_one_is_looked_at(world, models, invented_study, cache):
    app = probed(("a.png", draw()), ("b.webp", draw(1, "WEBP", lossless=True)))
    assert table(app, "file", "name")["file"].tolist() == ["a.png", "b.webp"]
    app = assert_whole(choose(app, "selectbox", "picture", 1))
    candidates, answer = expect(models, invented_study, cache, draw(1))
    assert app.header[0].value.startswith(candidates.names[answer.order[0]])
    app = assert_whole(hand_in(app, ("a.png", draw())))
    candidates, answer = expect(models, invented_study, cache, draw())
    assert app.header[0].value.startswith(candidates.names[answer.order[0]])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty."),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "The file is an SVG"),
        (draw(0, "JPEG")[:300], "broken or cut short"),
        (b"no image at all", "Taken are JPEG, PNG"),
    ],
    ids=["empty", "drawing", "cut short", "text"],
)
def test_refused_file_gets_its_sentence_and_the_others_are_answered(world, content, reason):
    app = probed(("bad.png", content), ("good.png", draw()))
    (message,) = refusals(app)
    assert message.startswith("**bad.png** is left out. ")
    assert reason in message
    assert "good.png: 40 × 40 pixels, PNG" in said(app)


def test_refused_file_alone_leaves_the_page_as_without_an_image(world):
    app = probed(("bad.png", b"no image"))
    assert len(refusals(app)) == 1
    assert "No image yet" in told(app)[0]


def test_turned_image_says_so(world):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert "turned upright, as its EXIF says" in said(probed(("a.jpg", draw(0, "JPEG", exif=exif))))


def test_hostile_file_name_is_shown_as_it_is(world):
    app = probed((HOSTILE_NAME, draw()), (f"2{HOSTILE_NAME}", b"no image"))
    text = "\n".join(written(app))
    assert "](https://evil.example" not in text
    assert escape(HOSTILE_NAME) in text


def test_more_images_than_a_session_holds_are_left_out(world):
    app = probed(*[(f"{number}.png", draw(number % 4)) for number in range(14)])
    assert len(refusals(app)) == 2
    assert all("At most 12 images" in message for message in refusals(app))
    assert len(table(app, "file", "name")) == 12


def test_images_outlive_a_look_at_another_page_and_end_when_they_are_forgotten(world):
    app = probed()
    app = assert_whole(app.switch_page("pages/concept.py").run())
    app = assert_whole(app.switch_page("pages/probe.py").run())
    assert "a.png: 40 × 40 pixels, PNG" in said(app)
    find(app, "button", "forget-images").click()
    app = assert_whole(app.run())
    assert "a.png" not in said(app)


def test_images_stay_with_their_session(world):
    probed()
    assert "a.png" not in said(open_page("probe"))


def test_pasted_images_are_answered(world):
    app = open_page("probe", source="paste")
    find(app, "chat_input", "paste-images").upload("image.png", draw(), "image/png")
    assert "image.png: 40 × 40 pixels, PNG" in said(assert_whole(app.run()))


def test_camera_opens_when_it_is_asked_for(world):
    app = assert_whole(open_page("probe", source="camera"))
    assert not app.get("camera_input")
    app = choose(app, "toggle", "camera-open", True)
    find(app, "camera_input", "camera-image").set_value(("shot.jpg", draw(0, "JPEG"), "image/jpeg"))
    assert "40 × 40 pixels, JPEG" in said(assert_whole(app.run()))


# The study's own images


def test_study_offers_samples_from_frequent_to_rare_and_one_is_used(world):
    app = assert_whole(open_page("probe", source="the study"))
    offered = [button for button in app.get("button") if button.key.startswith("use-")]
    assert 6 <= len(offered) <= 12
    assert offered[0].key == "use-striped daxu"
    offered[0].click()
    app = assert_whole(app.run())
    assert find(app, "text_input", "like").value == find(app, "text_input", "truth").value == "striped daxu"
    assert "“striped daxu” comes " in said(app)
    assert len(app.get("text")) == 1


def test_address_names_the_sample(world):
    app = assert_whole(open_page("probe", source="the study", like="dotted daxu", pick="3"))
    samples = [text for text in said(app).splitlines() if "which a search found for “dotted daxu”" in text]
    other = assert_whole(open_page("probe", source="the study", like="dotted daxu", pick="4"))
    assert len(samples) == 1
    assert samples[0] not in said(other)


@pytest.mark.parametrize("key", ["head", "tail"])
def test_surprise_is_a_concept_of_the_tail_or_the_head_that_has_samples(world, key, invented_study):
    app = open_page("probe", source="the study")
    find(app, "button", f"surprise-{key}").click()
    app = assert_whole(app.run())
    names = choose_candidates(invented_study, key, "lemmatized").names
    assert find(app, "text_input", "like").value in names
    assert "; caption and image both say so." in said(app)
    assert f"{find(app, 'text_input', 'like').value}” comes " in said(app)


def test_concept_that_the_study_does_not_know_is_said(world):
    app = assert_whole(open_page("probe", source="the study", like="*dodo*"))
    assert told(app)[0] == "No concept of this study is named “*dodo*”."


def test_sample_whose_image_is_broken_is_said(world, monkeypatch):
    from backend.errors import ImageError

    def fail(*place):
        raise ImageError("The image file is missing.")

    monkeypatch.setattr("pages.ui.probe_images.read_image_bytes", fail)
    app = assert_whole(open_page("probe", source="the study", like="winged daxu"))
    assert refusals(app)[0].endswith("is left out. The image file is missing.")


# Candidates, prompts, models


@pytest.mark.parametrize(("key", "count"), [("all", 40), ("tail", 10), ("head", 10), ("task:rare", 10)])
def test_candidates_come_from_the_study(world, key, count):
    assert len(table(probed(among=key), "place", "similarity")) == count


def test_typed_names_are_candidates_and_unknown_ones_have_no_counts(world):
    rows = table(probed(among="typed", names="striped daxu\na *dodo*"), "place", "similarity").set_index("name")
    assert rows["zipf samples"].notna().to_dict() == {"striped daxu": True, "a *dodo*": False}


def test_no_typed_name_is_a_sentence(world):
    assert "0 names: type from 1 to 1,000" in told(open_page("probe", among="typed"))[0]


def test_prompts_are_those_chosen(world, models, invented_study, cache):
    for prompts in ("class", "simple"):
        candidates, answer = expect(models, invented_study, cache, draw(), prompts)
        rows = table(probed(prompts=prompts), "place", "similarity")
        assert rows["similarity"].tolist() == pytest.approx(answer.similarities[answer.order].tolist(), abs=1e-5)


def test_own_templates_are_used_and_those_without_a_place_refused(world, models, invented_study, cache):
    _, answer = expect(models, invented_study, cache, draw(), ("a drawing of a {}.",))
    rows = table(probed(prompts="own", templates="a drawing of a {}."), "place", "similarity")
    assert rows["similarity"].tolist() == pytest.approx(answer.similarities[answer.order].tolist(), abs=1e-5)
    assert "needs {} once" in told(assert_whole(open_page("probe", prompts="own", templates="a drawing")))[0]


@pytest.fixture
def open_server(monkeypatch) -> None:
    """A server whose operator lets visitors do everything."""
    monkeypatch.setenv(ALLOW_PATHS, "1")
    monkeypatch.setenv(ALLOW_DOWNLOADS, "1")


def test_folder_that_is_named_is_a_model(world, models, open_server):
    assert "vit-balanced on " in said(probed(clip_from="a file", clip_file=str(models / "vit-balanced")))


@pytest.mark.parametrize("spec", ["", "nowhere", "ViT-B-32:no-such-tag", "../..", "\x00"])
def test_model_that_cannot_be_loaded_is_a_sentence(world, open_server, spec):
    app = probed(clip_from="a file", clip_file=spec)
    assert len(told(app)) == 1
    assert not app.header[0].value.endswith("%")


@pytest.mark.parametrize("key", ["clip_file", "clips_beside"])
def test_stranger_opens_no_place_of_the_server(world, tmp_path, monkeypatch, key):
    """Neither way to name a model opens, loads or lists what lies on the machine, nor tells whether it is there."""
    monkeypatch.setattr("pages.ui.probe_setup._shelf", lambda: OnlyShipped())
    (tmp_path / "secret-plans.txt").write_text("x")
    write_model(tmp_path / "mine")
    messages = []
    for spec in (
        str(tmp_path),
        str(tmp_path / "mine"),
        str(tmp_path / "none"),
        f"ViT-B-32:{tmp_path}/secret-plans.txt",
        "../..",
    ):
        app = probed(**{"clip_from": "a file", key: spec})
        assert find(app, "button_group", "clip_from").options == ["shipped", "OpenCLIP"]
        assert "secret-plans" not in said(app).replace(spec, "")
        assert "A link asked for a model by its place, which this server does not let visitors name." in said(app)
        messages.append([text.replace(spec, "SPEC") for text in told(app)])
    assert messages == [messages[0]] * 5
    if key == "clips_beside":
        assert messages[0][0].startswith("“SPEC” is none of the models that this server offers. Who runs it can offer more by ")


class OnlyShipped:
    """A shelf that loads what the program comes with and nothing else."""

    def get(self, spec, *, allow_download=False, say=None):
        assert Path(spec).name.startswith("vit-") and not allow_download
        return load_model(spec)


def test_visitor_of_the_own_machine_may_name_a_model_and_one_through_a_proxy_may_not(world, models, monkeypatch):
    address = {"clip_from": "a file", "clip_file": str(models / "vit-balanced")}
    monkeypatch.setattr(
        "streamlit.get_option", lambda name, ask=st.get_option: "localhost" if name == "server.address" else ask(name)
    )
    assert "vit-balanced on " in said(probed(**address))
    headers = property(lambda context: {"X-Forwarded-For": "203.0.113.7"})
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.headers", headers)
    assert "vit-balanced on " not in said(probed(**address))


def test_models_of_declared_folders_are_offered(world, tmp_path, monkeypatch):
    write_model(tmp_path / "mine" / "small", 3)
    monkeypatch.setenv(MODEL_ROOTS, str(tmp_path))
    app = probed(clip="mine/small")
    assert find(app, "selectbox", "clip").options == [*reversed(TITLES), "mine/small"]
    assert "small on " in said(app)


def test_word_of_the_environment_that_says_nothing_is_told(world, monkeypatch):
    monkeypatch.setenv(ALLOW_PATHS, "perhaps")
    assert f"{ALLOW_PATHS} is “perhaps” in the server's environment." in told(open_page("probe"))[0]


def test_what_had_to_be_assumed_of_a_model_is_said(world, tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    path = write_model(tmp_path / "mine") / "open_clip_model.safetensors"
    save_file({name: value for name, value in load_file(path).items() if name != "logit_scale"}, path)
    monkeypatch.setenv(MODEL_ROOTS, str(tmp_path))
    assert "The file holds no temperature (logit_scale), so probabilities are computed with 0.07" in said(probed(clip="mine"))


@pytest.fixture
def openclip(monkeypatch) -> list:
    """OpenCLIP with two models, one of them here; what is asked of the shelf stands in the list."""
    asked = []

    class Shelf:
        def get(self, spec, *, allow_download=False, say=None):
            asked.append((spec, allow_download))
            raise TailscopeError(f"The weights of {spec} could not be fetched: *no* network.")

    choices = [ModelChoice("A:here", "A/here", True, ""), ModelChoice("A:there", "A/there", False, "")]
    monkeypatch.setattr(catalogue, "list_openclip", lambda: choices)
    monkeypatch.setattr(catalogue, "describe_download", lambda spec: "Fetching them takes about 605 MB.")
    monkeypatch.setattr("pages.ui.probe_setup._list_openclip", FakeList(choices))
    monkeypatch.setattr("pages.ui.probe_setup._shelf", lambda: Shelf())
    return asked


class FakeList:
    """What Streamlit's cache gives: a function that can be cleared."""

    def __init__(self, choices):
        self.choices = choices

    def __call__(self):
        return self.choices

    def clear(self):
        self.choices = self.choices


def test_stranger_starts_no_download(world, openclip, monkeypatch):
    app = probed(clip_from="OpenCLIP", clip="A/there (to download)")
    assert find(app, "selectbox", "clip").options == ["A/here"]
    assert "download-model" not in {button.key for button in app.get("button")}
    monkeypatch.setattr("pages.ui.probe_setup._list_openclip", FakeList([ModelChoice("A:there", "A/there", False, "")]))
    app = assert_whole(open_page("probe", clip_from="OpenCLIP"))
    app = hand_in(app, ("a.png", draw()))
    assert told(app)[0] == (
        "No weights of OpenCLIP's are on this machine. This server does not let visitors fetch weights. Who runs it can "
        "allow that: TAILSCOPE_ALLOW_DOWNLOADS=1 in its environment."
    )
    assert not any(allowed for _, allowed in openclip)


def test_model_that_is_not_here_says_so_and_is_fetched_by_the_button_alone(world, openclip, open_server):
    app = probed(clip_from="OpenCLIP", clip="A/there")
    assert find(app, "selectbox", "clip").options == ["A/here", "A/there"]
    assert "Not on this machine yet." in said(app)
    assert told(app) == ["The weights of A/there are not on this machine. Fetching them takes about 605 MB."]
    assert openclip == []
    find(app, "button", "download-model").click()
    app = assert_whole(app.run())
    assert openclip == [("A:there", True)]
    assert told(app)[1] == "The weights of A:there could not be fetched: *no* network."


def test_link_to_a_model_opens_it_whether_it_was_here_or_not(world, openclip, open_server):
    for address in ("A/here", "A/here (to download)"):
        assert find(open_page("probe", clip_from="OpenCLIP", clip=address), "selectbox", "clip").value == "A/here"


# Experiments


def test_models_stand_side_by_side_each_with_the_counts_of_its_own_corpus(scored_world, models, cache):
    app = probed(experiment="Models side by side", clips_beside="vit/balanced")
    rows = table(app, "model", "name", "place")
    assert set(rows["model"]) == set(TITLES)
    bars = [bar.proto.text for bar in app.get("progress")[5:]]
    assert len(bars) == 2 * 5
    for title, bar in zip(TITLES, bars[::5], strict=True):
        candidates, answer = expect(models, scored_world, cache, draw(), title=title)
        best = candidates.names[answer.order[0]]
        assert rows[(rows["model"] == title) & (rows["place"] == 1)]["name"].tolist() == [best]
        count = (
            table(app, "place", "similarity", "zipf samples").set_index("name").loc[best, f"{title.partition('/')[2]} samples"]
        )
        assert re.fullmatch(rf"{best}: \*\*\d+\.\d%\*\* · {tell_samples(count)}", bar)


def test_model_that_the_study_does_not_know_stands_beside_without_counts(world):
    app = probed(clips_beside="vit/balanced", truth="striped daxu")
    assert said(app).count("its corpus is not counted in this study") == 2
    assert not any("sample" in bar.proto.text for bar in app.get("progress")[5:])


def test_model_typed_beside_that_does_not_exist_is_a_sentence(world, open_server):
    app = probed(clips_beside="no-such-model")
    assert "No folder of a model at no-such-model" in told(app)[0]


def test_prompts_and_other_names_of_the_true_concept_are_compared(world):
    app = probed(experiment="Prompts and names")
    app = choose(app, "text_input", "truth", "horned blick")
    app = assert_whole(choose(app, "text_input", "synonyms", "horn-bearing blick, *x*"))
    assert table(app, "prompts", "comes_first")["prompts"].tolist() == ["ensemble", "simple", "class"]
    names = [
        frame.value for frame in app.dataframe if list(frame.value.columns) == ["name", "place", "probability", "similarity"]
    ]
    assert names[0]["name"].tolist() == ["horned blick", "horn-bearing blick", "*x*"]


def pack(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_labelled_batch_has_accuracy_by_frequency_and_what_was_left_out(world, models, invented_study, cache):
    files = {f"{CONCEPTS[number]}/{number}.png": draw(number) for number in range(4)}
    files |= {"striped daxu/bad.png": b"no image", "nobody knows/x.png": draw(), "../up/striped daxu.png": draw()}
    app = open_page("probe", experiment="A labelled batch", counts_of="zipf")
    app = assert_whole(hand_in(app, ("pictures.zip", pack(files)), key="batch-files"))
    rows = table(app, "file", "label", "predicted").set_index("label")
    for number in range(4):
        candidates, answer = expect(models, invented_study, cache, draw(number))
        assert rows.loc[CONCEPTS[number], "predicted"] == candidates.names[answer.order[0]]
    assert [metric.value for metric in app.metric][1] == "4 of 7 files"
    assert table(app, "bin", "images")["images"].sum() == 4
    assert len(table(app, "file", "reason")) == 3
    assert {"batch.csv", "batch.parquet", "bins.csv", "left-out.csv"} <= downloads(app)


def test_batch_with_a_table_of_labels(world):
    app = open_page("probe", experiment="A labelled batch", labels="csv")
    labels = b"file,label\n1.png,striped daxu\n2.png,Dotted_Daxu\n"
    app = assert_whole(hand_in(app, ("1.png", draw()), ("2.png", draw(1)), ("labels.csv", labels), key="batch-files"))
    assert table(app, "file", "label", "predicted")["label"].tolist() == ["striped daxu", "dotted daxu"]


@pytest.mark.parametrize("content", [b"PK\x03\x04 broken", b"no image", b""])
def test_batch_that_holds_nothing_is_a_sentence(world, content):
    app = open_page("probe", experiment="A labelled batch")
    app = hand_in(app, ("*x*.zip", content), key="batch-files")
    assert not app.exception
    assert "*x*.zip" in told(app)[1]
    assert "*x*.zip" not in "\n".join(written(app))


def count_calls(monkeypatch, owner, name: str) -> list:
    """What a function of a module or class is called with from now on; it does what it did."""
    function, calls = getattr(owner, name), []

    def call(*args, **options):
        calls.append(args)
        return function(*args, **options)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_batch_is_unpacked_and_scored_once_whatever_else_is_changed(world, monkeypatch):
    unpacked = count_calls(monkeypatch, handed, "unpack_file")
    scored = count_calls(monkeypatch, probe_experiments, "score")
    app = open_page("probe", experiment="A labelled batch")
    app = assert_whole(hand_in(app, ("b.zip", pack({f"{CONCEPTS[0]}/1.png": draw(), "2.txt": b""})), key="batch-files"))
    app = assert_whole(assert_whole(app.run()).run())
    assert (len(unpacked), len(scored)) == (1, 1)
    app = assert_whole(choose(app, "selectbox", "prompts", "class"))
    assert (len(unpacked), len(scored)) == (1, 2)
    assert "2 files: 1 images with a label, 1 left out (1 × no image by its name)." in said(app)


def test_images_are_opened_once_and_streamlit_gives_up_its_own_copy(world, monkeypatch):
    opened = count_calls(monkeypatch, shown_images, "open_upload")
    given_up = count_calls(monkeypatch, MemoryUploadedFileManager, "remove_file")
    app = probed(("a.png", draw()), ("b.png", draw(1)))
    app = assert_whole(choose(app, "text_input", "truth", "striped daxu"))
    assert len(opened) == 2
    assert len({file for _, _, file in given_up}) == 2


def test_streamlits_own_store_is_bounded_for_a_visitor_and_for_all(monkeypatch):
    store = MemoryUploadedFileManager("/upload")
    monkeypatch.setattr(handed, "get_script_run_ctx", lambda: SimpleNamespace(uploaded_file_mgr=store))
    monkeypatch.setattr(handed, "VISITOR_BYTES", 10)
    monkeypatch.setattr(handed, "ALL_BYTES", 25)
    handed.bound_store()
    for session, size in (("a", 6), ("a", 5), ("a", 4), ("b", 10), ("c", 6), ("c", 5)):
        store.add_file(session, UploadedFileRec(f"{session}{size}", f"{size}.png", "image/png", b"x" * size))
    held = {name: len(file.data) for files in store.file_storage.values() for name, file in files.items()}
    assert held == {"a6": 6, "a5": 0, "a4": 4, "b10": 10, "c6": 0, "c5": 5}
    assert store.file_storage["a"]["a5"].name == "5.png"


def test_what_a_visitor_hands_in_beyond_the_bound_is_named_and_not_kept(world, monkeypatch):
    monkeypatch.setattr("pages.ui.handed.VISITOR_BYTES", len(draw()) + len(draw(1)) + 20)
    monkeypatch.setattr("streamlit.testing.v1.local_script_runner.MemoryUploadedFileManager", handed.BoundedStore)
    app = probed(("a.png", draw()), ("big.png", draw() + b"\x00" * 10_000), ("b.png", draw(1)))
    (message,) = refusals(app)
    assert message.startswith("**big.png** is left out. It was let go: a visitor may hand in ")
    assert table(app, "file", "name")["file"].tolist() == ["a.png", "b.png"]


def test_images_that_are_let_go_for_other_visitors_say_so(world, monkeypatch):
    hands = Hands(max_bytes=len(draw()) + 10)
    monkeypatch.setattr("pages.ui.handed._hands", lambda: hands)
    app = probed()
    other = probed(("other.png", draw(1)))
    assert "other.png: 40 × 40 pixels, PNG" in said(other)
    (message,) = refusals(assert_whole(app.run()))
    assert message.startswith("**a.png** is left out. It was let go: all visitors together may hold ")
    assert hands.held_bytes == len(draw(1))


def test_batch_is_bounded_over_all_its_files(world, monkeypatch):
    zips = [(f"{number}.zip", pack({f"{CONCEPTS[number]}/1.png": draw(number)})) for number in range(3)]
    monkeypatch.setattr("pages.ui.handed.BATCH_BYTES", len(draw()) + len(draw(1)))
    app = open_page("probe", experiment="A labelled batch")
    app = assert_whole(hand_in(app, *zips, key="batch-files"))
    assert [metric.value for metric in app.metric][1] == "2 of 3 files"
    (left,) = table(app, "file", "reason").to_dict("records")
    assert (left["file"], left["reason"][:22]) == ("2.zip", "2.zip holds too much: ")


def test_rows_of_the_table_that_label_nothing_are_shown(world):
    app = open_page("probe", experiment="A labelled batch", labels="csv")
    labels = b"file,label\n1.png,striped daxu\ngone.png,dotted daxu\n"
    app = assert_whole(hand_in(app, ("1.png", draw()), ("labels.csv", labels), key="batch-files"))
    assert table(app, "file", "reason").to_numpy().tolist() == [["gone.png", "names no file of this batch"]]


def test_text_without_embeddings_is_answered_at_once_from_some_images(world, monkeypatch):
    monkeypatch.setattr("pages.ui.probe_experiments.DRAWN", 30)
    app = assert_whole(open_page("probe", experiment="Text to images", described="a striped daxu"))
    assert len([text for text in app.caption if text.value.startswith("similarity")]) == 24
    assert "Searched: 30 of its " in said(app)
    more = find(app, "toggle", "more-drawn")
    assert more.label.startswith("Look through ")
    app = assert_whole(more.set_value(True).run())
    assert "Searched:" not in said(app)


def test_text_of_more_images_than_are_looked_through_says_the_command(world, monkeypatch):
    monkeypatch.setattr("pages.ui.probe_experiments.DRAWN", 30)
    monkeypatch.setattr("pages.ui.probe_experiments.MOST_DRAWN", 40)
    app = assert_whole(open_page("probe", experiment="Text to images", described="a striped daxu"))
    assert "python -m precompute embed" in said(app)


def test_text_finds_the_studys_images(studies, place_study, invented_study, models):
    study = place_study("synthetic", source=invented_study)
    embed_study(study.folder, str(models / "vit-zipf"), ["balanced"], lambda stage, done: None)
    app = assert_whole(open_page("probe", experiment="Text to images", described="a striped daxu"))
    assert len([text for text in app.caption if text.value.startswith("similarity")]) == 24
    assert {"nearest.csv"} <= downloads(app)


# Addresses


def test_address_opens_the_page_with_its_choices(world):
    choices = {
        "source": "the study",
        "like": "dotted daxu",
        "clip": "vit/balanced",
        "among": "head",
        "prompts": "class",
        "method": "lowercased",
        "counts_of": "balanced",
        "truth": "striped daxu",
        "experiment": "Prompts and names",
        "synonyms": "a, b",
    }
    app = assert_whole(open_page("probe", **choices))
    assert "vit/balanced on" in said(app)
    assert len(table(app, "place", "similarity", "zipf samples")) == 10
    assert find(app, "selectbox", "prompts").value == "class"
    assert "Balanced, which it is not known to have seen, shows it in" in said(app)
    assert "“striped daxu” comes" in said(app)
    assert "By the prompts alone, **striped daxu** (the true one) comes in place" in said(app)


def test_nothing_that_never_was_sampled_is_offered(world):
    app = open_page("probe", source="the study", like=NEVER[1])
    assert_whole(app)


def test_corpora_may_be_called_like_columns(studies, models):
    weights = load_tiny(models, TITLES[0]).weights_sha256
    write_strange(studies / "strange", {"evaluate": {"net/tail": {"weights_sha256": weights}}})
    app = probed(("a.png", draw()), ("b.png", draw(1)), clip_from="shipped", clip=TITLES[0], truth="dog")
    rows = table(app, "place", "similarity", "measured").set_index("name")
    assert {name_count_column(name) for name in STRANGE} <= set(rows.columns)
    assert rows["measured"].to_dict() == {"ant": 10, "bee": 20, "cat": 30, "dog": 60, "elk": 50}
    assert rows[name_count_column("measured")].to_dict() == ANIMALS["small"]
    assert rows["in_tail"].all()  # the benchmark names all five
    assert table(app, "file", "count")["count"].isin(ANIMALS["small"].values()).all()
    assert "TAIL, which it was trained on, shows it in" in said(app)
    assert "in TAIL" in said(app)
