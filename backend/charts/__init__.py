"""DataFrame in, Plotly figure out: every figure of the app."""

from backend.charts.compare import draw_versus
from backend.charts.corpus import draw_lengths, draw_rate_curves
from backend.charts.frequency import (
    draw_concept_counts,
    draw_counts_against,
    draw_heatmap,
    draw_lorenz,
    draw_rank_curves,
    draw_tail_shares,
    draw_thresholds,
)
from backend.charts.scaling import (
    draw_change,
    draw_comparison,
    draw_concept_scores,
    draw_lines,
    draw_scaling,
    draw_small_multiples,
)
from backend.charts.searches import draw_degrees, draw_disagreements, draw_quality, draw_truth
from backend.charts.style import COLORS, ZERO_AT, name_model, style_of
from backend.charts.tail import draw_tail_models

__all__ = [
    "COLORS",
    "ZERO_AT",
    "draw_change",
    "draw_comparison",
    "draw_concept_counts",
    "draw_concept_scores",
    "draw_counts_against",
    "draw_degrees",
    "draw_disagreements",
    "draw_heatmap",
    "draw_lengths",
    "draw_lines",
    "draw_lorenz",
    "draw_quality",
    "draw_rank_curves",
    "draw_rate_curves",
    "draw_scaling",
    "draw_small_multiples",
    "draw_tail_models",
    "draw_tail_shares",
    "draw_thresholds",
    "draw_truth",
    "draw_versus",
    "name_model",
    "style_of",
]
