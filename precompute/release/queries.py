"""What the release's text search really looked for: its own queries, rebuilt from its published code.

Source: the release's src/text_search_matches_inverted_index.py and src/text_search_inverted_index_get_word_dictionaries.py.
A label was cut at underscores and white space, lower-cased; each piece was searched by itself in an index whose keys are
the letters (A to Z) of nouns. What the index does not hold was dropped from the query. By `lemmatized` a piece was replaced
by the lemma of its *last* token, so that “colt's” became “'s” and “band-aid” became “aid”; by `lowercased` it stayed as it was.
"""

import re

from backend.words import lemma

METHODS = ("lemmatized", "lowercased")

# The tokens of a piece, as far as the letters of the last one matter; compared with those of spaCy's tokenizer in a test.
_TOKEN = re.compile(r"['’]s|n['’]t|\w+(?:['’]\w+)*|\S")
_LETTERS = re.compile(r"[a-z]+")
_NEVER_NOUNS = frozenset(["a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"])


def rebuild_query(label: str, method: str) -> list[str]:
    """The words that the release's search kept of a label, in order; none where it searched for nothing.

    A word that is no noun in any caption was dropped as well, which cannot be told from the label.

    >>> rebuild_query("colt's foot", "lemmatized"), rebuild_query("sorrel horse", "lemmatized")
    (['foot'], ['sorrel', 'horse'])
    """
    assert method in METHODS, f"'{method}' is no text method of the release"
    pieces = [piece for piece in re.split(r"[_\s]+", label.lower()) if piece]
    if method == "lemmatized":
        pieces = [_TOKEN.findall(piece)[-1] for piece in pieces]
    kept = [piece for piece in pieces if _LETTERS.fullmatch(piece) and piece not in _NEVER_NOUNS]
    return [lemma(piece) for piece in kept] if method == "lemmatized" else kept
