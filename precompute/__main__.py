"""The commands: `python -m precompute STEP`. Each checks its arguments first and ends with what it read and wrote."""

import errno
import sys

from backend.errors import TailscopeError
from precompute.commands import corpora, models, studies  # noqa: F401  (each adds its commands to the app)
from precompute.commands.console import app, console


def main() -> None:
    """Runs a command; what a user can mend, a full or closed disk too, becomes one message and exit code 1."""
    try:
        app()
    except (TailscopeError, OSError) as error:
        console.print("Error:", style="bold red", end=" ")
        console.print(_explain(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


def _explain(error: Exception) -> str:
    """An error in words; of a full disk, which every step may meet, the next step too."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"{error}. Make room on that disk and run again: what was finished before is kept."
    return str(error)


if __name__ == "__main__":
    main()
