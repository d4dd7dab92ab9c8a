"""A score's setting names the ranks that it counts within: `ensemble@5`, `i2t@10`. Nothing else cuts or joins such names."""


def name_ranked(base: str, rank: int) -> str:
    """The setting of a prompt strategy, or a direction, within so many ranks.

    >>> name_ranked("i2t", 10)
    'i2t@10'
    """
    return f"{base}@{rank}"


def split_ranked(setting: str) -> tuple[str, int]:
    """A setting's prompt strategy or direction, and within how many ranks it counts: the first alone, where it names none.

    >>> split_ranked("ensemble@5"), split_ranked("ensemble")
    (('ensemble', 5), ('ensemble', 1))
    """
    base, _, rank = setting.partition("@")
    return base, int(rank or 1)
