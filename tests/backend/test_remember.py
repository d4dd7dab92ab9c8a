"""An answer about a study is remembered as long as the study is open, and no longer."""

import gc
from weakref import ref

import pytest

from backend.errors import EmptySelection
from backend.remember import remember
from backend.study import Study
from tests.tiny_study import animal_rows, write_study


@pytest.fixture
def study(tmp_path) -> Study:
    return write_study(tmp_path / "tiny", animal_rows())


def test_question_is_answered_once_for_each_study(study):
    asked = []

    @remember(2)
    def count(study: Study, concept: str, *, step: int = 1) -> int:
        asked.append((concept, step))
        return len(asked)

    assert [count(study, "dog"), count(study, "dog"), count(study, "dog", step=2)] == [1, 1, 2]
    assert count(Study(study.folder), "dog") == 3
    assert asked == [("dog", 1), ("dog", 2), ("dog", 1)]


def test_only_the_last_answers_are_kept(study):
    asked = []
    count = remember(2)(lambda study, concept: asked.append(concept))
    for concept in ("dog", "cat", "dog", "bird", "dog", "cat"):
        count(study, concept)
    assert asked == ["dog", "cat", "bird", "cat"]


def test_error_is_found_anew(study):
    answers = iter([EmptySelection("nothing"), None])

    @remember(2)
    def fail_once(study: Study) -> int:
        if error := next(answers):
            raise error
        return 7

    with pytest.raises(EmptySelection):
        fail_once(study)
    assert fail_once(study) == 7


def test_answers_do_not_keep_a_study_open(study):
    answer = remember(2)(lambda study: study.title)
    opened = Study(study.folder)
    assert answer(opened) == study.title
    known = ref(opened)
    del opened
    gc.collect()
    assert known() is None
