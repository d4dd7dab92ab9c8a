"""Which bins of frequency the paper's figures print, and ρ over those bins alone.

The release's notebooks bin all points and then draw, and correlate, only some of the bins: which ones goes by corpus. Found by
holding the figure files of the release against its counts and scores.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from backend.fits import average_bins, correlate_bins

_TEXT, _IMAGE, _JOINT = "lemmatized", "rampp@0.7", "lemmatized+rampp@0.7"
_NO_SKETCH = ["imagenet-sketch"]
# corpus: first bin, end (counted from the last bin where negative), methods whose figure leaves tasks out, methods without one
_ZERO_SHOT = {
    "cc3m": (1, -1, {}, []),
    "cc12m": (1, -1, {}, []),
    "yfcc15m": (1, -1, {_TEXT: _NO_SKETCH}, ["lowercased"]),
    "laion400m": (2, -1, {"lowercased": _NO_SKETCH}, []),
    "synthci30m": (0, -4, {_TEXT: _NO_SKETCH}, []),
}
_LAST_FOUR = -4, None

FIGURES = [
    {"kind": "classification", "corpus": corpus, "bins": [first, end], "without": without, "not_drawn": not_drawn}
    for corpus, (first, end, without, not_drawn) in _ZERO_SHOT.items()
]
FIGURES += [
    {"kind": "retrieval", "corpus": corpus, "bins": list(_LAST_FOUR), "methods": [_TEXT, _IMAGE, _JOINT]}
    for corpus in _ZERO_SHOT
]
FIGURES += [
    {
        "kind": "generation",
        "corpus": "laion_aesthetics",
        "bins": list(_LAST_FOUR),
        "settings": ["human_aesthetics", "human_align"],
        "fewest_scores": 6,  # the notebook passes over a concept with five scores or fewer
    }
]
NOTES = [
    "LAION-400M by `lemmatized` and by `rampp@0.7`: the figures were drawn from counts that the release no longer holds (their "
    "maximum was 4,042,009, it is 4,210,691 now), so that the printed ρ of 18 classification and 36 retrieval figures differs.",
    "YFCC-15M by `lowercased`: most of the count files are gone or cut short, so that no ρ is given.",
    "YFCC-15M and SynthCI-30M by `lemmatized`, LAION-400M by `lowercased`: the figures leave imagenet-sketch out, and so does "
    "ρ. CC-3M's and CC-12M's text counts of it are not in the release.",
    "LAION-400M pruned: which bins its figures print is not known, so that no ρ is given.",
    "Text-to-image: concepts with five scores or fewer are passed over, and a bin without a concept stands at a score of zero, "
    "as the release's notebooks have it. The scores behind the figures of exp_aesthetics, exp_clip, max_aesthetics and "
    "max_clip are not in the release.",
]


@dataclass(frozen=True)
class PrintedBins:
    """What a figure shows of the bins of its points: `bins` [first, end) of all, without the points of some tasks.

    `settings`: the only ones with a figure, None for all. `fewest_scores`: of a concept, to be a point.
    """

    bins: slice
    without: tuple[str, ...] = ()
    settings: tuple[str, ...] | None = None
    fewest_scores: int = 0


def find_printed(manifest: dict, kind: str, corpus: str, method: str) -> PrintedBins | None:
    """What the figures of a kind, corpus and method show, by the manifest's `printed_figures`; None where there are none."""
    for figure in manifest.get("printed_figures", []):
        drawn = method in figure.get("methods", [method]) and method not in figure.get("not_drawn", [])
        if (figure["kind"], figure["corpus"]) == (kind, corpus) and drawn:
            settings = figure.get("settings")
            return PrintedBins(
                slice(*figure["bins"]),
                tuple(figure.get("without", {}).get(method, ())),
                settings and tuple(settings),
                figure.get("fewest_scores", 0),
            )
    return None


def correlate_printed(scores: pd.DataFrame, kind: str, printed: PrintedBins) -> pd.DataFrame:
    """model, setting, paper_r: Pearson r of ln(bin edge) with bin mean over the bins that a figure prints.

    `scores` has a row a point: task, count, model, setting, value, n. A bin without a point stands at zero, as in the figure.
    """
    few = (scores["n"] < printed.fewest_scores).fillna(False)  # a score whose n is not known stays
    kept = scores[~scores["task"].isin(printed.without) & ~few]
    if printed.settings is not None:
        kept = kept[kept["setting"].isin(printed.settings)]
    rows = []
    for (model, setting), part in kept.groupby(["model", "setting"]):
        edges, means = average_bins(part["count"].to_numpy(), part["value"].to_numpy(), kind)
        rows.append((model, setting, correlate_bins(edges[printed.bins], np.nan_to_num(means[printed.bins]))[0]))
    return pd.DataFrame(rows, columns=["model", "setting", "paper_r"])
