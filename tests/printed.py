"""What must be true of a figure that is laid out for print."""

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

TOUCHING = 1.0  # points that two boxes may share: a box holds the room above its letters


def assert_legible(page: Figure) -> None:
    """No text touches another or leaves the page."""
    canvas = FigureCanvasAgg(page)
    canvas.draw()
    unseen = list_unseen(page)
    drawn = [text for text in page.findobj(Text) if text.get_visible() and text.get_text().strip() and text not in unseen]
    boxes = {text: text.get_window_extent(canvas.get_renderer()) for text in drawn}
    width, height = canvas.get_width_height()
    assert len(boxes) > 4
    for text, box in boxes.items():
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, text
    for (text, one), (other, two) in combinations(boxes.items(), 2):
        if text.get_rotation() % 90 or other.get_rotation() % 90:
            continue  # the box of a slanted text is larger than the text
        across = min(one.x1, two.x1) - max(one.x0, two.x0)
        up = min(one.y1, two.y1) - max(one.y0, two.y0)
        assert min(across, up) <= TOUCHING, (text, other)


def list_unseen(page: Figure) -> set[Text]:
    """Labels of ticks beyond the ends of their axis, which Matplotlib holds and does not draw."""
    unseen = set()
    for axes in page.axes:
        for axis, place in ((axes.xaxis, 0), (axes.yaxis, 1)):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                unseen |= {label for label in (tick.label1, tick.label2) if not low <= label.get_position()[place] <= high}
    return unseen
