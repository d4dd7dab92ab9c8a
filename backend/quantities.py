"""Quantities as people read them: bytes and times."""


def spell_bytes(count: float) -> str:
    """Bytes for people.

    >>> spell_bytes(1_500_000), spell_bytes(2_300_000_000), spell_bytes(4.5e12)
    ('1.5 MB', '2.3 GB', '4.5 TB')
    """
    if count >= 1e12:
        return f"{count / 1e12:.1f} TB"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def spell_seconds(seconds: float) -> str:
    """A time for people.

    >>> spell_seconds(4.25), spell_seconds(600), spell_seconds(7200), spell_seconds(864_000)
    ('4.2 s', '10 min', '2.0 h', '10.0 days')
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 72 * 3600 else f"{seconds / 86_400:.1f} days"
