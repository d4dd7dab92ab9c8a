"""What the report of a corpus says in sentences."""

from collections.abc import Sequence

import pandas as pd

from backend import expected
from backend.corpus_report import CountedCorpus, Dropped, Facts
from pages.ui.blocks import format_count
from pages.ui.corpus_beside import Reference
from pages.ui.text import escape, shorten

FEW = 6  # names in a sentence
MAX_LETTERS = 40  # of a name in a sentence
UNSURE = "und"
LEAST = 0.5  # percent of the captions: languages below it are mostly mistaken


def tell_corpus(own: CountedCorpus, dropped: Sequence[Dropped], beside: Reference | None, compared: pd.DataFrame | None) -> str:
    """How much there is, what never occurs, and what is hardly shown beside the reference, in two sentences."""
    pairs = "a number of pairs that is not known" if own.pairs is None else f"**{own.pairs:,}** pairs"
    lost = sum(unit.dropped for unit in dropped if unit.unit == "samples")
    told = f"{escape(own.title)}: {pairs}" + (f", **{lost:,}** dropped. " if dropped else ". ")
    told += f"**{len(own.missing):,}** of {len(own.counts):,} concepts never occur"
    if compared is None or beside is None:
        return f"{told}."
    hardly = compared.loc[compared["hardly"], "concept"].tolist()
    if not hardly:
        return f"{told}; beside {escape(beside.title)} none is hardly shown."
    lead = "above all " if len(hardly) > FEW else ""
    return f"{told}; beside {escape(beside.title)} it hardly shows **{len(hardly):,}**: {lead}{name_some(hardly)}."


def tell_rule(own: CountedCorpus, beside: Reference, compared: int) -> str:
    """What "hardly" means, by which test, and how far it can be trusted."""
    if own.dispersion is None:
        clumps = (
            "How hits clump in this corpus was not measured, so that Poisson's scatter is taken for all of it: many "
            "captions by one hand, or several of one photo, make differences look surer than they are"
        )
    elif own.dispersion > 1.005:
        clumps = (
            f"Hits clump: between twentieths of this corpus counts scatter {own.dispersion:.2f} times as much as Poisson's "
            "would, and all counts, the other corpus's too, are divided by that before they are tested"
        )
    else:
        clumps = (
            "Between twentieths of this corpus counts scatter no more than Poisson's would; the other's scatter is not known"
        )
    left = beside.shared - compared
    left_out = ""
    if left:
        left_out = f"; {left:,} more are left out, whose count in one of the two is known to be of fewer words than they have"
    return (
        f"Over {compared:,} concepts that {escape(beside.title)} counts by the same method, in {format_count(beside.pairs)} "
        f"pairs{left_out}. **Hardly shown:** its share of the samples is below half of the other's with all of its 95% "
        "interval, and the difference survives Benjamini and Hochberg's procedure at 5% over all concepts (two Poisson "
        f"rates, the exact conditional test). {clumps}. Two corpora of other sources nearly always differ: what counts is "
        "by how much."
    )


def tell_facts(facts: Facts) -> str:
    """How long captions are, how many come more than once, and in what languages they are."""
    again = facts.captions - facts.distinct
    unsure = facts.languages.get(UNSURE, 0.0)
    told = [f"{code} {share:.1f}%" for code, share in facts.languages.items() if code != UNSURE and share >= LEAST]
    return (
        f"Half of the captions have at most **{facts.median_words:,} words** ({facts.median_characters:,} characters). "
        f"**{again:,}** of {facts.captions:,} repeat another one letter by letter. Of {facts.sampled:,} captions, "
        f"{' · '.join(told) or 'none is in a language that can be told'}; {unsure:.1f}% are too short to tell their language."
    )


def tell_units(dropped: Sequence[Dropped]) -> str:
    """What was read, kept and dropped, unit by unit."""
    return "; ".join(
        f"{escape(unit.unit)}: {unit.read:,} read, {unit.written:,} kept, {unit.dropped:,} dropped" for unit in dropped
    )


def tell_needs(needs: pd.DataFrame, beside: Reference | None, model: str | None) -> str:
    """What the list of what to collect says, and what it does not."""
    told = ""
    if beside:
        told = (
            f"**To share:** more samples of the concept, all of them new, until its share of all samples is that of "
            f"{escape(beside.title)}. "
        )
    if model:
        silent = int(needs["more_low"].isna().sum())
        told += (
            f"**For +{expected.GAIN:.0f} points:** more samples by the slope of {escape(model)}, from one end of its 95% "
            f"interval to the other; not told for {silent:,} of {len(needs):,} concepts, where the count is zero, the score "
            "would pass 100 or the interval reaches zero."
        )
    return told


def name_some(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    shown = ", ".join(f"**{escape(shorten(name, MAX_LETTERS))}**" for name in names[:FEW])
    return shown + (f" and {len(names) - FEW:,} more" if len(names) > FEW else "")
