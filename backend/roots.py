"""Which folders a study may read image files from.

A study may come from a stranger, and its image paths with it: `../../secret.jpg` must lead nowhere. So a study reads from its
own folder, from the folders that the operator names in the environment, and from those that a step of this very machine
noted when it indexed a corpus whose shards lie elsewhere. Such notes are kept with the user's state, outside of any study and
of the folder of studies, so that no study brings its own permission; each holds for one study's place only.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from backend.errors import TailscopeError
from backend.writing import write_file

IMAGE_ROOTS = "TAILSCOPE_IMAGE_ROOTS"  # the environment's word for folders that every study may read images from
STATE = "TAILSCOPE_STATE"  # the environment's word for the folder of what this machine notes for itself


def allowed_roots(study: Path) -> tuple[Path, ...]:
    """The folders that the study in the folder `study` may read images from, itself first; absolute, without links.

    A note that cannot be read allows nothing.
    """
    named = [folder for folder in os.environ.get(IMAGE_ROOTS, "").split(os.pathsep) if folder.strip()]
    folders = [study, *map(Path, named), *_read_declared(study.resolve())]
    return tuple(dict.fromkeys(folder.expanduser().resolve() for folder in folders))


def is_allowed(path: Path, roots: Iterable[Path]) -> bool:
    """Whether a file lies in one of these folders (as `allowed_roots` gives them), when all links and `..` are followed."""
    real = path.resolve()
    return any(real.is_relative_to(root) for root in roots)


def declare_roots(study: Path, folders: Iterable[Path]) -> None:
    """Notes on this machine that the images of the study in the folder `study` lie in these folders too.

    What was noted before stays. Raises TailscopeError where the note cannot be written.
    """
    study = study.resolve()
    noted = {str(folder) for folder in _read_declared(study)} | {str(folder.resolve()) for folder in folders}
    noted = {folder for folder in noted if not Path(folder).is_relative_to(study)}
    if not noted:
        return
    path = _note_path(study)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_file(path) as part:
            part.write_text(json.dumps({"study": str(study), "roots": sorted(noted)}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise TailscopeError(
            f"It cannot be noted where the images of {study} lie: {error}. Name a folder that can be written in {STATE}, "
            f"or the images' folders in {IMAGE_ROOTS}."
        ) from error


def _read_declared(study: Path) -> list[Path]:
    try:
        note = json.loads(_note_path(study).read_text(encoding="utf-8"))
        return [Path(folder) for folder in note["roots"]] if note["study"] == str(study) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _note_path(study: Path) -> Path:
    return _state_folder() / "image_roots" / f"{hashlib.sha256(os.fsencode(study)).hexdigest()[:32]}.json"


def _state_folder() -> Path:
    if named := os.environ.get(STATE):
        return Path(named)
    # Linux, macOS and Windows in turn name the place of a user's state; where none is named, it is below the home folder.
    base = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(base or "~/.local/state").expanduser() / "tailscope"
