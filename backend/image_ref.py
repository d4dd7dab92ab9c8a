"""Where an image's bytes stand: one value for a plain file, a member of a tar, a cell of a Parquet file and a URL.

The tables have three columns for it, `image`, `offset` and `length`. What they mean, this file says and no other.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

_CELL = re.compile(r"(?P<path>.+\.parquet)#(?P<row_group>\d+),(?P<row>\d+)(,(?P<column>\d+))?", re.DOTALL | re.IGNORECASE)

Kind = Literal["file", "slice", "cell", "url"]


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image's place: all of a file, or `length` bytes from `offset` on, or the cell of a row in a row group, `column` its
    number where it is not the usual one; or a URL.

    `path` is what the place is relative to, a study's folder or a shard's, joined with `/`; or absolute.
    """

    path: str
    offset: int | None = None
    length: int | None = None
    row_group: int | None = None
    row: int | None = None
    column: int | None = None

    @property
    def kind(self) -> Kind:
        """file (all of it), slice (of a file), cell (of a Parquet file) or url."""
        if self.row is not None:
            return "cell"
        if self.offset is not None:
            return "slice"
        return "url" if "://" in self.path else "file"

    @classmethod
    def from_columns(cls, image: str, offset: int | None = None, length: int | None = None) -> "ImageRef":
        """The place that a row of `samples` names; missing numbers may be of any kind that pandas has.

        >>> ImageRef.from_columns("shards/a.parquet#2,17")
        ImageRef(path='shards/a.parquet', offset=None, length=None, row_group=2, row=17, column=None)
        """
        if cell := _CELL.fullmatch(image):
            column = None if cell["column"] is None else int(cell["column"])
            return cls(cell["path"], row_group=int(cell["row_group"]), row=int(cell["row"]), column=column)
        offset, length = (None if number is None or pd.isna(number) else int(number) for number in (offset, length))
        return cls(image, offset, length)

    def columns(self) -> tuple[str, int | None, int | None]:
        """The values of `image`, `offset` and `length`.

        >>> ImageRef("shards/a.tar", 512, 9000).columns()
        ('shards/a.tar', 512, 9000)
        """
        if self.row is not None:
            column = "" if self.column is None else f",{self.column}"
            return f"{self.path}#{self.row_group},{self.row}{column}", None, None
        return self.path, self.offset, self.length

    def below(self, folder: Path) -> "ImageRef":
        """The same place as seen from where `folder` is; a URL and an absolute path stay as they are."""
        if self.kind == "url":
            return self
        return ImageRef(str(folder / self.path), self.offset, self.length, self.row_group, self.row, self.column)
