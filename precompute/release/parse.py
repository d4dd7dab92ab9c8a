"""What the paper's release says, file by file: its names, its spellings, its quirks, turned into long rows.

Knows the layout of `bethgelab/frequency_determines_performance` and nothing of Parquet.
"""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from backend.methods import join_methods, name_tagged
from backend.score_settings import name_ranked
from backend.words import canonical
from precompute.ledger import Ledger
from precompute.release.archive import Member
from precompute.release.paper import CORPUS_NAMES, GENERATION_METRICS, TAIL_TASK, concept_of, kind_of

_LABELS = "classwise", "conceptwise"
_LARGEST_COUNT = (1 << 63) - 1  # of an int64 column
_LARGEST_SCORE = 1e100  # far beyond any score; sums of such stay finite


class MalformedFile(ValueError):
    """A file of the release that is not what its name promises; the rest of the release still counts."""


@dataclass
class Release:
    """The rows that a release holds, and the books of what was read.

    counts: (task, corpus, modality, method, label, count) · scores: (task, kind, model, setting, label, value, n) ·
    overall: (task, kind, model, setting, value, source) · alignment: (corpus, misaligned, degree, degree_extracted).
    """

    counts: list[tuple] = field(default_factory=list)
    scores: list[tuple] = field(default_factory=list)
    tail_scores: list[tuple] = field(default_factory=list)
    overall: list[tuple] = field(default_factory=list)
    alignment: list[tuple] = field(default_factory=list)
    tail_labels: list[str] = field(default_factory=list)
    files: Ledger = field(default_factory=Ledger)
    values: Ledger = field(default_factory=Ledger)
    file_faults: list[str] = field(default_factory=list)
    value_faults: Counter = field(default_factory=Counter)
    imported: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def keep(self, rows: list[tuple], row: tuple) -> None:
        """Books one value that was read and written."""
        rows.append(row)
        self.values.take(written=1)

    def drop(self, reason: str, where: str) -> None:
        """Books one value that was read and dropped, and names the place."""
        self.values.take(dropped=1, reason=reason)
        self.value_faults[f"{where}: {reason}"] += 1

    @property
    def faults(self) -> list[str]:
        """One line a place and reason: what was refused, malformed or dropped."""
        return self.file_faults + [f"{place} (× {count})" for place, count in self.value_faults.items()]


def read_release(members: Iterable[Member], tick: Callable[[str], None] = lambda path: None) -> Release:
    """Parses every file whose folder and name the release's layout knows; all others are left alone.

    A malformed or refused file is named in `faults` and counted; it costs nothing of the others.
    """
    release = Release()
    seen = set()
    for member in members:
        tick(member.path)
        if member.refused:
            release.files.take(dropped=1, reason=member.refused)
            release.file_faults.append(f"{member.path}: {member.refused}")
            continue
        folder, _, name = member.path.rpartition("/")
        if folder not in PARSERS or not name.endswith((".json", ".txt")):
            continue
        pattern, parse = PARSERS[folder]
        try:
            if member.path in seen:
                raise MalformedFile("file stands twice in the archive")
            seen.add(member.path)
            match = re.fullmatch(pattern, name)
            if not match:
                raise MalformedFile("file name not understood")
            parse(release, member, match)
        except MalformedFile as error:
            release.files.take(dropped=1, reason=str(error).split(" (")[0])
            release.file_faults.append(f"{member.path}: {error}")
        else:
            release.files.take(written=1)
            release.imported[folder] += 1
    return release


def list_absent(release: Release) -> list[str]:
    """What the release lacks beside what it has: counts a method has elsewhere, shortened files, metrics, models."""
    tasks_of, labels, found = defaultdict(set), defaultdict(set), defaultdict(set)
    for task, corpus, _, method, label, _ in release.counts:
        tasks_of[kind_of(task) == "generation", method].add(task)
        labels[task].add(concept_of(task, label))
        found[task, corpus, method].add(concept_of(task, label))
    absent = []
    for corpus, method, generation in sorted({(c, m, kind_of(t) == "generation") for t, c, m in found}):
        held = {task for task, c, m in found if (c, m) == (corpus, method)}
        missing = sorted(tasks_of[generation, method] - held)
        if missing:
            absent.append(f"counts of {corpus} by {method}: no file for {', '.join(missing)}")
    for (task, corpus, method), concepts in sorted(found.items()):
        if len(concepts) < len(labels[task]):
            absent.append(f"counts of {corpus} by {method} for {task}: {len(concepts)} of {len(labels[task])} concepts")
    metrics = {setting for _, kind, _, setting, *_ in release.overall if kind == "generation"}
    missing = [metric for metric in GENERATION_METRICS if metric not in metrics]
    if missing:
        absent.append(f"text-to-image metrics that the release's notebook reads: no file for {', '.join(missing)}")
    aligned = {row[0] for row in release.alignment}
    absent += [f"misalignment of {corpus}: no file" for corpus in CORPUS_NAMES if corpus not in aligned]
    return absent


def _load(member: Member) -> dict:
    """The JSON object of a file; a key that stands twice makes the file malformed, for one of the two would be lost."""

    def unique(pairs: list[tuple]) -> dict:
        keys = dict(pairs)
        if len(keys) < len(pairs):
            raise MalformedFile("a label stands twice")
        "".join(keys).encode("utf-8")  # raises on half a surrogate pair, which no table can hold
        return keys

    try:
        content = json.loads(member.content.decode("utf-8"), object_pairs_hook=unique)
    except MalformedFile:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedFile(f"not valid JSON ({error})") from error
    if not isinstance(content, dict) or not content:
        raise MalformedFile("not a JSON object with entries")
    return content


def _count_method(name: str) -> tuple[str, str]:
    """(modality, method) of a count file's method: `integrated_tlemmatized_i0.7` is lemmatized+rampp@0.7."""
    if match := re.fullmatch(r"integrated_t(lemmatized|lowercased)_i([\d.]+)", name):
        return "joint", join_methods(match[1], name_tagged("rampp", match[2]))
    if match := re.fullmatch(r"rampp([\d.]+)", name):
        return "image", name_tagged("rampp", match[1])
    return "text", name


def _parse_counts(release: Release, member: Member, match: re.Match) -> None:
    content = _load(member)
    modality, method = _count_method(match["method"])
    for label, count in content.items():
        row = (match["task"], match["corpus"], modality, method, label, count)
        if not canonical(label):
            release.drop("empty label", member.path)
        elif type(count) is not int or not 0 <= count <= _LARGEST_COUNT:
            release.drop("count that is not a whole number of at least 0", f"{member.path}: {label!r}")
        else:
            release.keep(release.counts, row)


def _model_name(key: str) -> str:
    match = re.fullmatch(r"backbone(.+)_pretrained(.+)", key)
    return f"{match[1]}/{match[2]}" if match else key


def _is_number(value, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high and abs(value) <= _LARGEST_SCORE


def _model_results(content: dict) -> Iterable[tuple[str, float, dict]]:
    """(model, full, scores by label) of a result file; raises MalformedFile where an entry has another shape."""
    names = Counter(_model_name(key) for key in content)
    for key, result in content.items():
        if names[_model_name(key)] > 1:
            raise MalformedFile(f"a model stands twice ({key})")
        labels = next((result[name] for name in _LABELS if name in result), None) if isinstance(result, dict) else None
        if not isinstance(labels, dict) or "full" not in result:
            raise MalformedFile(f"entry without full and class-wise results ({key})")
        yield _model_name(key), result["full"], labels


def _parse_scores(
    release: Release,
    member: Member,
    *,
    task: str,
    kind: str,
    setting: str,
    top: float,
    rows: list | None = None,
) -> None:
    """Accuracies and recalls of one file, to percent; `top` is what the file writes for 100 percent."""
    rows = release.scores if rows is None else rows
    for model, full, labels in list(_model_results(_load(member))):
        if _is_number(full, 0, top):
            release.keep(release.overall, (task, kind, model, setting, full * 100 / top, member.path))
        else:
            release.drop(f"score outside 0 to {top}", f"{member.path}: {model}")
        for label, value in labels.items():
            if not canonical(label):
                release.drop("empty label", member.path)
            elif not _is_number(value, 0, top):
                release.drop(f"score outside 0 to {top}", f"{member.path}: {model}: {label!r}")
            else:
                release.keep(rows, (task, kind, model, setting, label, value * 100 / top, None))


def _parse_zero_shot(release: Release, member: Member, match: re.Match) -> None:
    _parse_scores(release, member, task=match["task"], kind="classification", setting=match["setting"], top=100)


def _parse_retrieval(release: Release, member: Member, match: re.Match) -> None:
    setting = name_ranked(match["direction"], int(match["k"]))
    _parse_scores(release, member, task=match["task"], kind="retrieval", setting=setting, top=1)


def _parse_tail(release: Release, member: Member, match: re.Match) -> None:
    _parse_scores(
        release,
        member,
        task=TAIL_TASK,
        kind="classification",
        setting=match["setting"],
        top=100,
        rows=release.tail_scores,
    )


def _parse_generation(release: Release, member: Member, match: re.Match) -> None:
    """Scores of images drawn for prompts: per concept a list, of which the mean is kept with its n."""
    for model, full, labels in list(_model_results(_load(member))):
        head = ("t2i", "generation", model, match["metric"])
        if _is_number(full, -math.inf, math.inf):
            release.keep(release.overall, (*head, full, member.path))
        else:
            release.drop("score that is not a number", f"{member.path}: {model}")
        for label, values in labels.items():
            finite = isinstance(values, list) and all(_is_number(v, -math.inf, math.inf) for v in values)
            if not canonical(label):
                release.drop("empty label", member.path)
            elif not values or not finite:
                release.drop("list of scores that is empty or not all numbers", f"{member.path}: {model}: {label!r}")
            else:
                release.keep(release.scores, (*head, label, sum(values) / len(values), len(values)))


def _parse_alignment(release: Release, member: Member, match: re.Match) -> None:
    """One corpus: how many samples are misaligned, and of what fraction. The keys say percent, the values do not."""
    content = _load(member)
    try:
        misaligned = content["misalignment_counts"]
        extracted = content["misalignment_degree (percent); extracted dataset size"]
        degree = content["misalignment_degree (percent); fixed conservative dataset size"]
    except KeyError as error:
        raise MalformedFile(f"key missing ({error})") from error
    counted = type(misaligned) is int and 0 <= misaligned <= _LARGEST_COUNT
    if not (counted and _is_number(degree, 0, 1) and _is_number(extracted, 0, 1)):
        raise MalformedFile("counts or degrees out of range")
    release.keep(release.alignment, (match["corpus"], misaligned, degree, extracted))


def _parse_tail_labels(release: Release, member: Member, match: re.Match) -> None:
    """The benchmark's class list: one quoted name a line; a check on the result file, not a table of its own."""
    try:
        lines = [json.loads(line) for line in member.content.decode("utf-8").split("\n") if line.strip()]
    except (ValueError, RecursionError) as error:
        raise MalformedFile(f"a line is not a quoted name ({error})") from error
    if not all(isinstance(line, str) for line in lines):
        raise MalformedFile("a line is not a quoted name")
    release.tail_labels = lines


_CORPUS = "|".join(sorted(CORPUS_NAMES, key=len, reverse=True))
PARSERS = {
    "search_counts": (
        rf"(?P<task>.+?)_(?P<corpus>{_CORPUS})_"
        r"(?P<method>lemmatized|lowercased|rampp[\d.]+|integrated_t(?:lemmatized|lowercased)_i[\d.]+)_search_counts\.json",
        _parse_counts,
    ),
    "zero_shot_evaluations": (
        r"(?P<task>.+)_(?P<setting>class|simple|ensemble)_results\.json",
        _parse_zero_shot,
    ),
    "retrieval_evaluations": (
        r"(?P<task>.+)_(?P<direction>i2t|t2i)_k=(?P<k>\d+)_results\.json",
        _parse_retrieval,
    ),
    "t2i_evaluations": (r"t2i_(?P<metric>.+)\.json", _parse_generation),
    "misalignment_metrics": (rf"(?P<corpus>{_CORPUS})_misalignment_degree\.json", _parse_alignment),
    "let_it_wag_datasets/evaluations": (r"let_it_wag_(?P<setting>\w+)_results\.json", _parse_tail),
    "let_it_wag_datasets": (r"let_it_wag_class_list\.txt", _parse_tail_labels),
}
