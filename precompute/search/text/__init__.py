"""Finds the concepts that captions name, by the text methods.

`lowercased`: the caption has all words of the concept. `lemmatized`: all its lemmas. `phrase`: its lemmas, adjacent and in
order. What a word is, and which word of a caption counts as which of a concept, `backend.words` says, which explains the hits,
too. A word that no caption has makes its concept zero; it never drops out of the search.
"""

from precompute.search.text.reference import Captions
from precompute.search.text.search import search_captions
from precompute.search.text.vocabulary import METHODS, Vocabulary, compile_vocabulary, count_hits, has_method

__all__ = ["METHODS", "Captions", "Vocabulary", "compile_vocabulary", "count_hits", "has_method", "search_captions"]
