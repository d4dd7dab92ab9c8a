"""Which pictures a model can answer on: a model that was taught one kind of pictures cannot know what others show."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import pandas as pd
from PIL import Image

from backend.errors import ImageError
from backend.models.catalogue import ModelChoice
from backend.probe.appearance import Appearance
from backend.probe.labelled import Batch
from backend.probe.uploads import open_upload
from backend.progress import Progress
from backend.study import Study

FOREIGN = "looks like none of this study's pictures, so the model cannot know what it shows"


@dataclass(frozen=True)
class Scope:
    """`look`: how a picture must look for an answer to mean anything, None: however it looks; `never`: why no answer on any
    picture means something here, a sentence; `foreign`: what to say of a picture that looks otherwise, a sentence.
    """

    look: Appearance | None = None
    never: str = ""
    foreign: str = ""

    def find_obstacle(self, picture: Image.Image) -> str:
        """Why the model cannot know what a picture shows, a sentence; "" where nothing says so."""
        if self.never or self.look is None or not self.look.is_foreign(picture):
            return self.never
        return self.foreign

    @property
    def tested(self) -> str:
        """How it is known of pictures that they look otherwise, a sentence; "" where looks are not asked for."""
        return "" if self.never or self.look is None else self.look.sentence


def is_invented(study: Study, shipped: Collection[ModelChoice]) -> bool:
    """Whether a study is the world that shipped models were trained on, so that its pictures show nothing else."""
    return any(choice.corpus in study.corpus_titles for choice in shipped)


def find_scope(study: Study, choice: ModelChoice, *, own_corpus: str | None, look: Appearance | None, closed: bool) -> Scope:
    """Which pictures a model can answer on in a study.

    own_corpus: the one of the study that the model was trained on, where that is known · look: how the study's pictures
    look · closed: the candidates are things that no other pictures show.
    """
    name = choice.title
    if choice.corpus and choice.corpus not in study.corpus_titles and own_corpus is None:
        return Scope(
            never=f"{name} has seen nothing but the invented species of the embedded study, so its answer to a photo means "
            "nothing. Choose one of OpenCLIP's models."
        )
    learnt = own_corpus or choice.corpus
    if learnt in study.list_corpora("samples"):
        title = study.corpus_titles.get(learnt, learnt)
        return Scope(look, foreign=f"{name} was trained on {title} alone, so it cannot know what this picture shows.")
    if closed:
        return Scope(look, foreign="The candidates are species that only this study's pictures show.")
    return Scope()


def leave_out_foreign(batch: Batch, scope: Scope, say: Progress | None = None) -> Batch:
    """A batch without the images that the model cannot know, which are refused for that reason.

    What cannot be decoded stays in it; who scores it says why.
    """
    if scope.look is None and not scope.never:
        return batch
    kept, refused = [], []
    for done, item in enumerate(batch.items, start=1):
        try:
            foreign = bool(scope.find_obstacle(open_upload(item.content).image))
        except ImageError:
            foreign = False
        if foreign:
            refused.append((item.file, scope.never or FOREIGN))
        else:
            kept.append(item)
        if say:
            say(done / len(batch.items))
    rows = pd.concat([batch.refused, pd.DataFrame(refused, columns=["file", "reason"])], ignore_index=True)
    return replace(batch, items=tuple(kept), refused=rows)
