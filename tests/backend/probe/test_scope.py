"""Which pictures a model can answer on, by what it was trained on and what a study's pictures look like."""

import io

import numpy as np
import pandas as pd
import pytest

from backend.models.catalogue import ModelChoice
from backend.probe.appearance import Appearance
from backend.probe.labelled import Batch, Item
from backend.probe.reference import learn_appearance
from backend.probe.scope import FOREIGN, Scope, find_scope, is_invented, leave_out_foreign
from tests.invented_world import draw_sample
from tests.tiny_clip import draw_pictures

HERE = ModelChoice("x", "vit/zipf", True, "", "zipf")
ELSEWHERE = ModelChoice("y", "vit/dunes", True, "", "dunes")
FETCHED = ModelChoice("ViT-B-32:openai", "ViT-B-32/openai", True, "")
LOOK = Appearance(np.zeros(78), np.ones(78), np.eye(78), 1.0, 20, 19, 20)


def save(picture) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def test_study_is_invented_where_a_shipped_model_was_trained_on_it(invented_study, small_study):
    assert is_invented(invented_study, [ELSEWHERE, HERE])
    assert not is_invented(small_study, [ELSEWHERE, HERE])
    assert not is_invented(invented_study, [FETCHED])


@pytest.mark.parametrize(
    ("choice", "own", "closed", "held"),
    [
        (HERE, None, False, True),
        (HERE, "zipf", True, True),
        (FETCHED, "balanced", False, True),  # trained on pictures that the study has
        (FETCHED, None, True, True),  # candidates that no other pictures show
        (FETCHED, None, False, False),  # names that the visitor typed
    ],
)
def test_model_is_held_to_the_look_of_a_study_where_it_knows_no_other(invented_study, choice, own, closed, held):
    scope = find_scope(invented_study, choice, own_corpus=own, look=LOOK, closed=closed)
    assert (scope.look is LOOK, scope.never) == (held, "")
    (obstacle,) = [scope.find_obstacle(picture) for picture in draw_pictures(1)]
    assert bool(obstacle) == held
    assert ("of 20 other pictures of its own, this test keeps 19 (95%)" in scope.tested) == held


def test_model_of_another_invented_world_can_answer_on_nothing(small_study):
    scope = find_scope(small_study, HERE, own_corpus=None, look=None, closed=False)
    assert scope.find_obstacle(draw_pictures(1)[0]).startswith("vit/zipf has seen nothing but the invented species")
    assert find_scope(small_study, HERE, own_corpus="cc3m", look=None, closed=False) == Scope()


def test_foreign_images_of_a_batch_are_left_out_and_in_its_books(invented_study, tmp_path):
    scope = Scope(learn_appearance(invented_study, tmp_path), foreign="It cannot be known.")
    items = [Item("own.jpg", draw_sample(3, 8), 0), Item("photo.png", save(draw_pictures(1)[0]), 1), Item("bad.png", b"x", 1)]
    batch = Batch(tuple(items), pd.DataFrame([("a.txt", "no image")], columns=["file", "reason"]), {}, pd.DataFrame())
    left = leave_out_foreign(batch, scope)
    assert [item.file for item in left.items] == ["own.jpg", "bad.png"]
    assert left.refused.to_numpy().tolist() == [["a.txt", "no image"], ["photo.png", FOREIGN]]
    assert left.read == batch.read == 4


def test_batch_stays_whole_where_a_model_may_know_everything():
    batch = Batch((Item("a.png", b"", 0),), pd.DataFrame(columns=["file", "reason"]), {}, pd.DataFrame())
    assert leave_out_foreign(batch, Scope()) is batch
