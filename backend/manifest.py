"""A study's manifest as typed values: what the program reads of `manifest.json`, checked once when the study is opened.

Steps write the JSON itself; what this program does not know of it is kept as it stands.
"""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cached_property
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from backend.errors import InvalidTable


@dataclass(frozen=True)
class PartEntry:
    """One of the several Parquet files of a corpus: its rows and its SHA-256."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class FileEntry:
    """A corpus's rows of a table: how many, the SHA-256 of their file or, where they lie in several, of the files' checksums,
    and these files in their order."""

    rows: int
    sha256: str
    parts: tuple[PartEntry, ...] = ()


@dataclass(frozen=True)
class TableEntry:
    """A table: its rows, and the SHA-256 of its file or, of a folder table, its files by corpus."""

    rows: int
    sha256: str | None = None
    files: Mapping[str, FileEntry] = field(default_factory=dict)


@dataclass(frozen=True)
class ChosenMethods:
    """The methods that stand for a corpus's others; None where its images were not searched."""

    text: str
    image: str | None = None
    joint: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(name for name in (self.text, self.image, self.joint) if name)


@dataclass(frozen=True)
class SearchEntry:
    """How a corpus was searched: its text methods, its image methods by rising threshold, those chosen, the tagger's spec."""

    text: tuple[str, ...]
    image: tuple[str, ...]
    chosen: ChosenMethods
    tagger: str | None = None


@dataclass(frozen=True)
class TailEntry:
    """The tail benchmark: its task, the task and setting that it is compared in, and where the lines break (percent there)."""

    title: str
    task: str
    compared_with: str
    setting: str
    split: float


@dataclass(frozen=True)
class ControlEntry:
    """A ready-made comparison of models' lines: the question it answers, the answer, and what is drawn."""

    title: str
    question: str
    answer: str
    models: tuple[str, ...]
    kind: str
    setting: str
    method: str


@dataclass(frozen=True)
class PairEntry:
    """A causal comparison over one corpus's counts: a model that was trained on it, and another."""

    title: str
    corpus: str
    models: tuple[str, str]


@dataclass(frozen=True)
class CausalEntry:
    """The causal comparisons, and a note on them."""

    pairs: tuple[PairEntry, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class ReportedEntry:
    """What a study's source prints: correlations of frequency (one corpus, another, r), and notes on them and on degrees."""

    correlations: tuple[tuple[str, str, float], ...] = ()
    correlations_note: str = ""
    alignment_note: str = ""


@dataclass(frozen=True)
class FigureEntry:
    """Which bins [first, end) of frequency the printed figures of a kind and corpus show, end None for the last.

    methods, settings: the only ones with a figure, None for all · not_drawn: methods without one · without: tasks that a
    method's figure leaves out · fewest_scores: of a concept, to be a point.
    """

    kind: str
    corpus: str
    bins: tuple[int, int | None]
    methods: tuple[str, ...] | None = None
    not_drawn: tuple[str, ...] = ()
    settings: tuple[str, ...] | None = None
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fewest_scores: int = 0


@dataclass(frozen=True)
class EmbeddedEntry:
    """The embedded images of a corpus: how many, and the SHA-256 of the samples that they are of."""

    images: int
    samples_sha256: str


@dataclass(frozen=True)
class EmbeddingsEntry:
    """What one model has embedded, by corpus."""

    corpora: Mapping[str, EmbeddedEntry] = field(default_factory=dict)


@dataclass(frozen=True)
class TermsEntry:
    """The index of all words of a corpus's captions: how many captions it has, the SHA-256 of its files, and of the samples
    and of the code that it was made of."""

    captions: int
    sha256: str
    samples_sha256: str
    code: str


@dataclass(frozen=True)
class RunEntry:
    """What a run that searched shards of a corpus took, as it was measured.

    `began`: in UTC · `machine`: in words · `processes`: at the same time · `searched`: samples of the shards that it read, the
    dropped ones too · `indexed`: samples of the corpus that it merged · `core_seconds`: of the processes' time, by what it went
    into · `stages`: seconds by the clock · `memory`: bytes of a process that searches, at most, and `peak` of the one that
    merges · `study_bytes`: of the corpus's files, and `kept_bytes` of what is kept beside the study.
    """

    began: str
    machine: str
    processes: int
    searched: int
    indexed: int
    core_seconds: Mapping[str, float]
    stages: Mapping[str, float]
    memory: int
    peak: int
    study_bytes: int
    kept_bytes: int
    tagger: str = ""


@dataclass(frozen=True)
class MainEntry:
    """The corpus and the model that pages begin with, where nothing else is chosen; empty where the study names none."""

    corpus: str = ""
    model: str = ""


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says of a study.

    arguments, counts: of each step, in the step's own form · count_causes: of odd counts, by kind · embeddings: by the SHA-256
    of a model's weights · raw: all of it, as it was read, with what is unknown here.
    """

    schema_version: int
    title: str
    tables: Mapping[str, TableEntry]
    study: str = ""
    description: str = ""
    source: str = ""
    created: str = ""
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    search: Mapping[str, SearchEntry] = field(default_factory=dict)
    tail: TailEntry | None = None
    comparisons: tuple[ControlEntry, ...] = ()
    causal: CausalEntry = CausalEntry()
    reported: ReportedEntry = ReportedEntry()
    unpooled_tasks: tuple[str, ...] = ()
    default_settings: Mapping[str, str] = field(default_factory=dict)
    main: MainEntry = MainEntry()
    method_notes: Mapping[str, str] = field(default_factory=dict)
    count_causes: Mapping[str, str] = field(default_factory=dict)
    printed_figures: tuple[FigureEntry, ...] = ()
    printed_notes: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    embeddings: Mapping[str, EmbeddingsEntry] = field(default_factory=dict)
    terms: Mapping[str, TermsEntry] = field(default_factory=dict)
    runs: Mapping[str, tuple[RunEntry, ...]] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, metadata={"not_read": True})

    @classmethod
    def from_json(cls, content: Any) -> "Manifest":
        """The manifest in what `json.loads` gives; raises InvalidTable with the first fault, as "search.mine.text: ..."."""
        return _read(cls, content, "")

    def to_json(self) -> dict:
        """The JSON that it was read from, as a copy that the caller may change."""
        return copy.deepcopy(dict(self.raw))

    @cached_property
    def digest(self) -> str:
        """Changes with whatever the manifest says, the checksums of all tables among it: 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.raw, sort_keys=True).encode()).hexdigest()


def _read(kind: Any, value: Any, place: str) -> Any:
    """A value as a type: a dataclass, a Mapping, a tuple, a choice of types or a plain one. `place` says where it stands."""
    if is_dataclass(kind):
        return _read_entry(kind, _expect(Mapping, value, place), place)
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is UnionType:
        rest = next(one for one in inner if one is not NoneType)
        return None if value is None else _read(rest, value, place)
    if origin is tuple:
        values = _expect(list, value, place)
        kinds = [inner[0]] * len(values) if inner[-1] is Ellipsis else list(inner)
        if len(values) != len(kinds):
            raise InvalidTable(f"{place}: has {len(values)} entries, not {len(kinds)}")
        return tuple(_read(one, part, f"{place}[{i}]") for i, (one, part) in enumerate(zip(kinds, values, strict=True)))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _read(inner[1], part, f"{place}.{name}") for name, part in _expect(Mapping, value, place).items()}
    return _expect(kind, value, place)


def _read_entry(kind: type, content: Mapping, place: str) -> Any:
    known = {}
    hints = get_type_hints(kind)
    for one in fields(kind):
        where = f"{place}.{one.name}".removeprefix(".")
        if one.metadata.get("not_read"):
            known[one.name] = content
        elif content.get(one.name) is not None:
            known[one.name] = _read(hints[one.name], content[one.name], where)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise InvalidTable(f"{where}: is missing")
    return kind(**known)


_WORDS = {Mapping: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number"}


def _expect(kind: type, value: Any, place: str) -> Any:
    fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if not fits:
        raise InvalidTable(f"{place or 'the whole'}: is not {_WORDS[kind]}")
    return value
