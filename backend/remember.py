"""What is asked of a study again and again, whatever concept is looked at, and remembered as long as the study is open."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary, ref

from backend.study import Study

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


def remember(most: int) -> Callable[[Callable[Asked, Answer]], Callable[Asked, Answer]]:
    """A function of a study that remembers its last answers about each study, at most so many.

    Every asker gets the same answer, and must not change it. An error is no answer: it is found anew.
    """

    def wrap(function: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
        answers: WeakKeyDictionary[Study, Callable[..., Answer]] = WeakKeyDictionary()

        @wraps(function)
        def told(study: Study, *asked: object, **named: object) -> Answer:
            if study not in answers:
                known = ref(study)  # an answer that held its study would keep it open for ever
                answers[study] = lru_cache(maxsize=most)(lambda *asked, **named: function(known(), *asked, **named))
            return answers[study](*asked, **named)

        return told

    return wrap
