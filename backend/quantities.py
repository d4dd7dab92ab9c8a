"""Quantities as people read them: bytes and times."""


def spell_bytes(count: float) -> str:
    """Bytes for people.

    >>> spell_bytes(1_500_000), spell_bytes(2_300_000_000)
    ('1.5 MB', '2.3 GB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def spell_seconds(seconds: float) -> str:
    """A time for people.

    >>> spell_seconds(4.25), spell_seconds(600), spell_seconds(7200)
    ('4.2 s', '10 min', '2.0 h')
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
