"""Captions, names and URLs out of nested values, as JSON and Parquet have them."""

import json
from collections.abc import Iterable, Mapping

from precompute.corpus.columns import find_columns
from precompute.corpus.photos import Listed
from precompute.corpus.sample import clean_text
from precompute.corpus.shard import AS_FOUND, Column, ReadOptions

_SPEAKERS = frozenset(("gpt", "assistant", "model", "bot"))  # whose turns in a conversation tell what an image shows


def list_names(row: Mapping) -> list[str]:
    """The names of a row's values, and of the values inside those that are objects: `json.caption`."""
    inner = [f"{name}.{part}" for name, value in row.items() if isinstance(value, Mapping) for part in value]
    return [*row, *inner]


def pick(row: Mapping, name: str) -> object:
    """The value of a name as `list_names` has it; None where the row lacks it."""
    if name in row:
        return row[name]
    outer, _, inner = name.partition(".")
    value = row.get(outer)
    return value.get(inner) if isinstance(value, Mapping) else None


def list_texts(value: object) -> list[str]:
    """The captions in a value, cleaned: of a list each, of a conversation the answers as one, of an object its caption.

    >>> list_texts(["a rose", "a red rose"]), list_texts([{"from": "human", "value": "?"}, {"from": "gpt", "value": "A rose."}])
    (['a rose', 'a red rose'], ['A rose.'])
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return [clean_text(value)]
    if isinstance(value, Mapping):
        columns = [column for column in find_columns(list(value), AS_FOUND, "") if column.role == "caption"]
        return list_texts(value[columns[0].name]) if columns else []
    if not isinstance(value, Iterable):
        return []
    values = list(value)
    if turns := [turn for turn in values if isinstance(turn, Mapping) and ("from" in turn or "role" in turn)]:
        said = [turn.get("value", turn.get("content")) for turn in turns if _is_answer(turn)]
        return ["\n".join(text for value in said for text in list_texts(value))]
    return [text for part in values for text in list_texts(part)]


def list_samples(row: Mapping, columns: Iterable[Column]) -> list[Listed]:
    """What a row says of its samples, one a caption; one without a caption where it has none."""
    chosen = {column.role: pick(row, column.name) for column in columns}
    name, url = _name_file(chosen.get("image")), _name_file(chosen.get("url"))
    return [Listed(name, caption, url) for caption in list_texts(chosen.get("caption")) or [""]]


def read_json_caption(content: bytes, options: ReadOptions) -> str:
    """The caption in the JSON of one sample; "" where it has none, or is no JSON object."""
    try:
        row = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(row, dict):
        return ""
    if options.caption:
        texts = list_texts(pick(row, options.caption))
    else:
        named = [column for column in find_columns(list_names(row), options, "") if column.role == "caption"]
        texts = list_texts(pick(row, named[0].name)) if named else []
    return texts[0] if texts else ""


def _is_answer(turn: Mapping) -> bool:
    return str(turn.get("from", turn.get("role"))).lower() in _SPEAKERS


def _name_file(value: object) -> str:
    """The file or URL in a value: of a list the first, of an object its path."""
    if isinstance(value, Mapping):
        value = value.get("path") or value.get("file_name") or value.get("url")
    if isinstance(value, list):
        return _name_file(value[0]) if value else ""
    return clean_text(value) if isinstance(value, str) else ""
