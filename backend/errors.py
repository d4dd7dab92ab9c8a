"""What can go wrong for a user; every message names the cause, the choices and the next command."""


class TailscopeError(Exception):
    """A fault that a user can mend; its message says what was asked for, what exists and what to run."""


class StudyNotFound(TailscopeError):
    """No complete study lies where one was asked for."""


class MissingTable(TailscopeError):
    """The study lacks the table that an answer needs."""


class EmptySelection(TailscopeError):
    """The table is there, but nothing in it fits the selection."""


class InvalidTable(TailscopeError):
    """A table breaks its schema, its keys or its manifest."""


class SourceError(TailscopeError):
    """A source cannot be read: not found, not what it should be, too large, or out of reach."""


class ImageError(TailscopeError):
    """A sample's image cannot be shown: no image, out of reach, too large, or broken."""
