"""What a run of `index` adds to a corpus that the study has: new shards, concepts and thresholds; what else differs is refused.

A corpus grows by the command that made it: whatever that command left out is as it was. Shards that are gone from the disk
leave the corpus, and it is said; shards that are there, and are named no more, are not taken for gone.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import TailscopeError
from backend.study import quote_folder
from precompute.corpus.shard import Shard

# What decides which hits a shard has, and how its samples are read: the options of the command by their names in the manifest.
SETTLED = ("caption", "image", "url", "images", "tagger", "prompts", "image_hits")


@dataclass(frozen=True)
class Growth:
    """How the shards of a corpus differ from those that it was indexed with: their files' names."""

    new: tuple[str, ...]
    gone: tuple[str, ...]

    def describe(self, corpus: str) -> str:
        """A sentence; nothing where no file came or went."""
        parts = [
            f"{len(names):,} {what}, such as {Path(names[0]).name}"
            for names, what in ((self.new, "new"), (self.gone, "gone from the disk, whose samples leave"))
            if names
        ]
        return f"Shards of '{corpus}': {'; '.join(parts)}." if parts else ""


def refuse_differences(study: Path, corpus: str, recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raises TailscopeError where a corpus was indexed by other settled arguments, with both values and how to go on.

    `recorded`, `asked`: entries of the manifest's arguments.
    """
    differing = [name for name in SETTLED if recorded.get(name) != asked.get(name)]
    if not differing:
        return
    said = [f"{_spell(name, recorded.get(name))} then, {_spell(name, asked.get(name))} now" for name in differing]
    raise TailscopeError(
        f"'{corpus}' was indexed by other arguments: {'; '.join(said)}. Index it anew by the new ones with --force, "
        f"which leaves all as it is until it ends well; or go on as it was: {spell_command(study, corpus, recorded)}"
    )


def compare_shards(corpus: str, before: Sequence[str], shards: Sequence[Shard]) -> Growth:
    """Which files came and went. Raises TailscopeError where files that are still there are named no more."""
    now = list(dict.fromkeys(str(shard.path) for shard in shards))
    missing = [path for path in before if path not in set(now)]
    left_out = [path for path in missing if Path(path).exists()]
    if left_out:
        raise TailscopeError(
            f"{len(left_out):,} of the {len(before):,} files of '{corpus}' are not among --shards, such as {left_out[0]}. Name "
            "them too, and the new ones beside them; or leave them out of the corpus by --force."
        )
    known = set(before)
    return Growth(tuple(path for path in now if path not in known), tuple(missing))


def spell_command(study: Path, corpus: str, recorded: Mapping[str, Any]) -> str:
    """The command that a corpus was indexed by, as its manifest entry has it; a file of hits by its name alone."""
    words = [f"--study {quote_folder(study)}", f"--corpus {shlex.quote(corpus)}"]
    words += [f"--shards {shlex.quote(pattern)}" for pattern in recorded.get("shards", [])]
    words += [_spell(name, recorded[name]) for name in SETTLED if recorded.get(name)]
    return f"python -m precompute index {' '.join(words)}"


def _spell(name: str, value: Any) -> str:
    option = f"--{name.replace('_', '-')}"
    if value is None:
        return f"no {option}"
    return f"{option} {shlex.quote(value['name'] if isinstance(value, Mapping) else str(value))}"
