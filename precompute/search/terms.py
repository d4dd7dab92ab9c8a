"""Indexes every word of a corpus's captions, so that a name which nobody compiled can be counted: `index --terms all`.

Reads: the samples of a corpus in a study, in batches. Writes: terms/CORPUS, and the manifest's entries of it. The index is made
in a folder beside the study and moved in when it is whole; a run that was killed makes it again. One that is of other samples
or of other code is made anew whenever its corpus is indexed.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import tantivy

from backend.errors import TailscopeError
from backend.progress import StageProgress
from backend.schema import corpus_files
from backend.study import Study
from backend.terms import RUNS, SAMPLE, WORDS, checksum_terms, make_index, terms_path
from backend.words import is_run, list_keys, split_words
from precompute.fingerprint import code_sha256
from precompute.ledger import Ledger
from precompute.search.corpus_files import count_rows, read_batches
from precompute.study_writer import extend_study

WORKING_BYTES = 200_000_000  # of words that wait to be written, whatever the corpus
LONGEST_KEY = 65_530  # bytes; tantivy leaves longer ones out, and says nothing
SURELY_SHORT = 10_000  # letters of a word whose keys are shorter
NO_WORD, TOO_LONG = "caption without a word", "word too long for the index"
_BATCH = 1 << 14
_HELD = ("=",)  # stands where a caption has a word without a key, and is asked for by no name


def update_terms(study: Path, work: Path, corpus: str, *, wanted: bool, say: StageProgress = lambda stage, done: None) -> dict:
    """Indexes the words of a corpus of a study where that is wanted, or was once, and is not there as it should be.

    work: a folder on the study's disk, for what is not whole yet. Returns the study's manifest. Raises TailscopeError where
    the samples changed meanwhile.
    """
    manifest, code = Study(study).manifest, code_sha256(__name__)
    entry, samples = manifest.terms.get(corpus), manifest.tables["samples"].files[corpus]
    is_right = entry is not None and (entry.samples_sha256, entry.code) == (samples.sha256, code)
    if not (wanted or entry) or (is_right and terms_path(study, corpus).is_dir()):
        return manifest.to_json()
    made = work / f"making-terms-{corpus}"
    try:
        books = build_terms(corpus_files(study, "samples", corpus), made, say)
        with extend_study(study) as (part, extended):
            if extended["tables"]["samples"]["files"][corpus]["sha256"] != samples.sha256:
                raise TailscopeError(f"The samples of '{corpus}' changed while their words were indexed. Run again.")
            place = terms_path(part, corpus)
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(exist_ok=True)
            made.replace(place)
            extended.setdefault("terms", {})[corpus] = {
                "captions": samples.rows,
                "sha256": checksum_terms(place),
                "samples_sha256": samples.sha256,
                "code": code,
            }
            extended["counts"].setdefault("terms", {})[corpus] = {unit: ledger.entry() for unit, ledger in books.items()}
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return extended


def build_terms(samples: Sequence[Path], folder: Path, say: StageProgress = lambda stage, done: None) -> dict[str, Ledger]:
    """Makes an index of the captions of a corpus's files of samples in a folder of its own; what lay there is deleted.

    Returns its books, of captions and of words. A word that is too long is left out of its caption, and its place is held.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    books = {"captions": Ledger(), "words": Ledger()}
    writer = make_index(folder).writer(WORKING_BYTES, num_threads=1)
    rows = count_rows(samples)
    for batch in read_batches(samples, _BATCH, ["sample_id", "caption"]):
        for sample_id, caption in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            _add_caption(writer, sample_id, split_words(caption), books)
        say("indexing all words", books["captions"].read / rows)
    writer.commit()
    writer.wait_merging_threads()
    return books


def _add_caption(writer: tantivy.IndexWriter, sample_id: int, words: list[str], books: dict[str, Ledger]) -> None:
    if not words:
        books["captions"].take(dropped=1, reason=NO_WORD)
        return
    books["captions"].take(written=1)
    runs = [] if all(map(str.isascii, words)) else [word for word in words if is_run(word)]
    keys = [_HELD if runs and is_run(word) else list_keys(word) for word in words]
    if max(map(len, words)) > SURELY_SHORT:
        keys = [_HELD if any(len(key.encode()) > LONGEST_KEY for key in of_word) else of_word for of_word in keys]
    left_out = keys.count(_HELD) - len(runs)
    books["words"].take(written=len(words) - left_out, dropped=left_out, reason=TOO_LONG)
    document = tantivy.Document()
    document.add_unsigned(SAMPLE, sample_id)
    if sum(map(len, keys)) == len(keys):
        document.add_text(WORDS, " ".join([key for (key,) in keys]))
    else:
        tokens = [tantivy.Token(key, place, 0, 0) for place, of_word in enumerate(keys) for key in of_word]
        document.add_pre_tokenized_text(WORDS, tantivy.PreTokenizedString("", tokens))
    if runs:
        document.add_text(RUNS, f" {_HELD[0]} ".join(" ".join(run) for run in runs))
    writer.add_document(document)
