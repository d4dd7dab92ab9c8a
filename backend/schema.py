"""The Arrow schema and key of every table of a study, and where a table lies.

A table is one file, `NAME.parquet`, or, where it grows with a corpus, a folder: of each corpus one file, `NAME/CORPUS.parquet`,
or, where its rows are many, several, `NAME/CORPUS/00000.parquet` and so on, whose rows follow one another.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from backend.errors import InvalidTable

_F64, _F32, _I64, _I32 = pa.float64(), pa.float32(), pa.int64(), pa.int32()

SCHEMA_VERSION = 2
MANIFEST = "manifest.json"
KINDS = ("classification", "retrieval", "generation")
MODALITIES = ("text", "image", "joint")
CLUSTERS = ("task", "concept")  # what an interval resamples
CONTENTS = ("words", "characters", "language", "copies", "repeated", "dispersion")  # what `contents` tells of captions
ROW_GROUP = 32_768  # a page reads one model's rows of `performance`: small groups let DuckDB skip the others
SAMPLE_ROW_GROUP = 8_192  # a page reads the samples of one concept out of what may be millions
# Of a table that is looked up in, by measurement: DuckDB weighs each row group by its least and greatest values, 5 µs each, and
# unpacks of those that may hold a row none but the pages in which it is.
SAMPLES_AT_ONCE = 32_768
HITS_AT_ONCE = 65_536
PAGE_BYTES = 16_384
FILE_ROWS = 8_000_000  # of one file of a corpus, about: a footer of this many rows is read in some milliseconds
SEARCHED = ("samples", "hits", "cooccurrences", "misaligned", "disagreements")  # of which a search writes files of a corpus
EVERY_CONCEPT = ""  # stands in `disagreements` for all concepts of a sample

_CORPUS_FILE = re.compile(r"[^./\\\0][^/\\\0]*")  # a corpus names its files: no path, nothing hidden

_STRING = pa.string()
_STRINGS = pa.list_(pa.string())


def _field(name: str, kind: pa.DataType = _STRING, *, null: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=null)


@dataclass(frozen=True)
class TableSpec:
    """What one table holds: its columns, the columns that name a row, and the allowed words and ranges.

    `per_corpus`: a folder table, with files of each corpus. `order`: the rows' order as SQL has it, where readers count on it
    to be fast; a file in another order is slow, not wrong. `looked_up`: the columns by which some rows are read out of
    millions.
    """

    schema: pa.Schema
    key: tuple[str, ...]
    choices: dict[str, tuple[str, ...]] | None = None
    not_negative: tuple[str, ...] = ()
    per_corpus: bool = False
    row_group: int = ROW_GROUP
    order: str | None = None
    looked_up: tuple[str, ...] = ()

    @property
    def writing(self) -> dict[str, Any]:
        """How its Parquet files are written: the options of `pyarrow.parquet.ParquetWriter`.

        What is looked up has small pages, and least and greatest values of nothing but what it is looked up by: of captions
        they would be most of the footer.
        """
        if not self.looked_up:
            return {"compression": "zstd"}
        lists = [f"{field.name}.list.element" for field in self.schema if field.type == _STRINGS]
        kinds = {name: self.schema.field(name).type for name in ("corpus", *self.looked_up)}
        return {
            "compression": "zstd",
            "data_page_size": PAGE_BYTES,
            "write_statistics": list(kinds),
            "use_dictionary": [name for name, kind in kinds.items() if kind == _STRING] + lists,
            "column_encoding": {name: "DELTA_BINARY_PACKED" for name, kind in kinds.items() if pa.types.is_integer(kind)},
        }


_KIND = {"kind": KINDS}
_MODALITY = {"modality": MODALITIES}

TABLES: dict[str, TableSpec] = {
    "concepts": TableSpec(
        pa.schema(
            [
                _field("task"),
                _field("kind"),
                _field("label"),
                _field("concept"),
                _field("words", _STRINGS),
            ]
        ),
        ("task", "label"),
        _KIND,
    ),
    "corpora": TableSpec(
        pa.schema(
            [
                _field("corpus"),
                _field("title"),
                _field("pairs", _I64, null=True),
                _field("indexed", _I64, null=True),
                _field("source"),
            ]
        ),
        ("corpus",),
        not_negative=("pairs", "indexed"),
    ),
    "frequency": TableSpec(
        pa.schema(
            [_field(name) for name in ("corpus", "task", "label", "concept", "modality", "method")] + [_field("count", _I64)]
        ),
        ("corpus", "task", "label", "method"),
        _MODALITY,
        not_negative=("count",),
    ),
    "models": TableSpec(
        pa.schema(
            [
                _field("model"),
                _field("architecture"),
                _field("pretraining", null=True),
                _field("corpus", null=True),
                _field("checkpoint", null=True),
            ]
        ),
        ("model",),
    ),
    "performance": TableSpec(
        pa.schema(
            [_field(name) for name in ("task", "kind", "model", "setting", "label", "concept")]
            + [_field("value", _F64), _field("n", _I32, null=True)]
        ),
        ("task", "model", "setting", "label"),
        _KIND,
    ),
    "predictions": TableSpec(  # what a model makes of each test image: `place` of its own label, and the nearest labels
        pa.schema(
            [_field(name) for name in ("task", "model", "setting", "item", "label")]
            + [_field("place", _I32), _field("similarity", _F32), _field("best", _STRINGS)]
            + [_field("similarities", pa.list_(_F32)), _field("image")]
            + [_field(name, _I64, null=True) for name in ("offset", "length")]
        ),
        ("task", "model", "setting", "item"),
        not_negative=("place", "offset", "length"),
    ),
    "overall": TableSpec(
        pa.schema([_field(name) for name in ("task", "kind", "model", "setting")] + [_field("value", _F64), _field("source")]),
        ("task", "model", "setting"),
        _KIND,
    ),
    "scaling": TableSpec(
        pa.schema(
            [_field(name) for name in ("model", "corpus", "modality", "method", "setting", "kind", "tasks")]
            + [_field("n", _I32), _field("n_zero", _I32), _field("clusters"), _field("n_clusters", _I32)]
            + [
                _field(name, _F64, null=True)
                for name in (
                    "slope",
                    "slope_low",
                    "slope_high",
                    "intercept",
                    "pearson_r",
                    "pearson_low",
                    "pearson_high",
                    "pearson_p",
                    "spearman_r",
                    "binned_r",
                    "binned_p",
                    "paper_r",
                    "within_task_slope",
                    "within_low",
                    "within_high",
                    "mixed_slope",
                    "mixed_low",
                    "mixed_high",
                    "curvature_p",
                    "log_count_min",
                    "log_count_max",
                )
            ]
        ),
        ("model", "corpus", "method", "setting", "kind", "tasks"),
        _KIND | _MODALITY | {"clusters": CLUSTERS},
        not_negative=("n", "n_zero", "n_clusters"),
    ),
    "alignment": TableSpec(
        pa.schema(
            [
                _field("corpus"),
                _field("method"),
                _field("misaligned", _I64),
                _field("degree", _F64),
                _field("degree_extracted", _F64),
            ]
        ),
        ("corpus", "method"),
        not_negative=("misaligned", "degree", "degree_extracted"),
    ),
    "tail": TableSpec(
        pa.schema(
            [_field(name) for name in ("task", "model", "setting", "label", "concept")]
            + [_field("value", _F64), _field("n", _I32, null=True)]
        ),
        ("task", "model", "setting", "label"),
    ),
    "queries": TableSpec(  # what a search that was not ours looked for, where that is not the concept's words
        pa.schema([*(_field(name) for name in ("task", "label", "concept", "method")), _field("words", _STRINGS)]),
        ("task", "label", "method"),
    ),
    "synonyms": TableSpec(  # further names of concepts, and where each comes from
        pa.schema([_field("concept"), _field("name"), _field("source")]),
        ("concept", "name"),
    ),
    "name_counts": TableSpec(  # how many captions have each name, the concept's own among them, as a phrase
        pa.schema([_field("corpus"), _field("concept"), _field("name"), _field("count", _I64)]),
        ("corpus", "concept", "name"),
        not_negative=("count",),
    ),
    "search_quality": TableSpec(
        pa.schema(
            [_field(name) for name in ("corpus", "split", "modality", "method")]
            + [_field("threshold", _F64, null=True)]
            + [_field(name, _I64) for name in ("found", "relevant", "correct")]
            + [_field(name, _F64, null=True) for name in ("precision", "recall", "frequency_error")]
        ),
        ("corpus", "split", "method"),
        _MODALITY,
        not_negative=("found", "relevant", "correct", "precision", "recall", "frequency_error"),
    ),
    "distinct_hits": TableSpec(  # of a concept's hits, the different captions (letter by letter) or image files (byte by byte)
        pa.schema([_field(name) for name in ("corpus", "concept", "modality", "method")] + [_field("count", _I64)]),
        ("corpus", "concept", "method"),
        {"modality": ("text", "image")},
        not_negative=("count",),
    ),
    "drops": TableSpec(  # what became no sample, or has no hits, by reason; `read`: all of the unit that the shard held
        pa.schema(
            [*(_field(name) for name in ("corpus", "unit", "shard", "reason")), _field("count", _I64), _field("read", _I64)]
        ),
        ("corpus", "unit", "shard", "reason"),
        not_negative=("count", "read"),
    ),
    "truth": TableSpec(
        pa.schema([_field(name) for name in ("corpus", "concept", "modality")] + [_field("count", _I64)]),
        ("corpus", "concept", "modality"),
        _MODALITY,
        not_negative=("count",),
    ),
    # count is, by `what`: captions of so many words or characters, or in a language (of a sample of them); distinct captions
    # that come so many times (numbers cut to two digits); how often a caption comes; 100 times how a method's hits clump.
    "contents": TableSpec(
        pa.schema([_field(name) for name in ("corpus", "what", "value")] + [_field("count", _I64)]),
        ("corpus", "what", "value"),
        {"what": CONTENTS},
        not_negative=("count",),
    ),
    "samples": TableSpec(
        pa.schema(
            [_field("corpus"), _field("sample_id", _I64), _field("caption"), _field("image", null=True)]
            + [_field(name, _I64, null=True) for name in ("offset", "length")]
            + [_field(name, _I32, null=True) for name in ("width", "height")]
        ),
        ("sample_id",),
        not_negative=("sample_id", "offset", "length", "width", "height"),
        per_corpus=True,
        row_group=SAMPLES_AT_ONCE,
        order="sample_id",
        looked_up=("sample_id",),
    ),
    "hits": TableSpec(
        pa.schema(
            [_field(name) for name in ("corpus", "concept", "modality", "method")]
            + [_field("sample_id", _I64), _field("score", _F32, null=True)]
        ),
        ("concept", "modality", "method", "sample_id"),
        {"modality": ("text", "image")},  # joint hits follow from the two
        per_corpus=True,
        row_group=HITS_AT_ONCE,
        order="concept, modality, method, score DESC NULLS LAST, sample_id",
        looked_up=("concept", "modality", "method", "sample_id", "score"),
    ),
    "cooccurrences": TableSpec(  # in how many samples two concepts are hit together; each pair twice, under either concept
        pa.schema([_field(name) for name in ("corpus", "concept", "other", "modality", "method")] + [_field("count", _I64)]),
        ("concept", "method", "other"),
        _MODALITY,
        not_negative=("count",),
        per_corpus=True,
        order="concept, method, other",
    ),
    "sample_truth": TableSpec(  # what a sample shows and names, where whoever made it knows
        pa.schema([_field("corpus"), _field("sample_id", _I64), _field("shown", _STRINGS), _field("named", _STRINGS)]),
        ("sample_id",),
        per_corpus=True,
        row_group=SAMPLE_ROW_GROUP,
        order="sample_id",
    ),
    "misaligned": TableSpec(
        pa.schema(
            [_field("corpus"), _field("sample_id", _I64)]
            + [_field("text_concepts", _STRINGS), _field("image_concepts", _STRINGS), _field("image_scores", pa.list_(_F32))]
            + [_field("best", _F32, null=True), _field("agreed", _F32, null=True)]
        ),
        ("sample_id",),
        per_corpus=True,
        row_group=SAMPLES_AT_ONCE,
        order="sample_id",
        looked_up=("sample_id",),
    ),
    # The samples of `misaligned` by each concept that they are about, and by none, which stands for all. `said`: the caption
    # has the concept · `score`: of the image for it · `named`: the caption has any · `best`, `agreed`: as in `misaligned`.
    "disagreements": TableSpec(
        pa.schema(
            [_field("corpus"), _field("concept"), _field("sample_id", _I64), _field("said", pa.bool_())]
            + [_field("named", pa.bool_()), *(_field(name, _F32, null=True) for name in ("score", "best", "agreed"))]
        ),
        ("concept", "sample_id"),
        not_negative=("sample_id",),
        per_corpus=True,
        row_group=HITS_AT_ONCE,
        order="concept, best DESC NULLS LAST, sample_id",
        looked_up=("concept", "sample_id", "score", "best", "agreed"),
    ),
}


def table_path(folder: Path, name: str, corpus: str | None = None) -> Path:
    """Where a table lies in a study's folder, of a folder table the file of a corpus whose rows are in one.

    Raises InvalidTable where the corpus cannot name a file.
    """
    assert TABLES[name].per_corpus == (corpus is not None), f"{name} is {'' if corpus is None else 'not '}a folder table"
    if corpus is None:
        return folder / f"{name}.parquet"
    if not _CORPUS_FILE.fullmatch(corpus):
        raise InvalidTable(f"{name}: {corpus!r} cannot name a file. Name the corpus without / and \\, and no dot in front.")
    return folder / name / f"{corpus}.parquet"


def parts_path(folder: Path, name: str, corpus: str) -> Path:
    """The folder in which the files of a corpus lie where its rows are in several."""
    return table_path(folder, name, corpus).with_suffix("")


def part_name(number: int) -> str:
    """The name of one of a corpus's several files, which sort as their rows do.

    >>> part_name(7)
    '00007.parquet'
    """
    return f"{number:05}.parquet"


def corpus_files(folder: Path, name: str, corpus: str) -> list[Path]:
    """The files of a folder table that hold a corpus's rows, in the order of the rows; none where it has none."""
    path = table_path(folder, name, corpus)
    return [path] if path.is_file() else sorted(parts_path(folder, name, corpus).glob("[!.]*.parquet"))


def table_files(folder: Path, name: str) -> dict[str | None, list[Path]]:
    """The files of a table that lie in a study's folder: corpus -> paths, sorted; None -> the path of a table of one file."""
    if not TABLES[name].per_corpus:
        path = table_path(folder, name)
        return {None: [path]} if path.is_file() else {}
    lying = (folder / name).glob("[!.]*")
    corpora = {path.name if path.is_dir() else path.name.removesuffix(".parquet") for path in lying if _holds_rows(path)}
    return {corpus: corpus_files(folder, name, corpus) for corpus in sorted(corpora)}


def _holds_rows(path: Path) -> bool:
    return any(path.glob("[!.]*.parquet")) if path.is_dir() else path.name.endswith(".parquet")
