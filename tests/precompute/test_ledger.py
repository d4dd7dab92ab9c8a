"""The books of a step balance."""

from precompute.ledger import Ledger, describe_entry


def test_what_is_read_is_what_is_written_and_dropped():
    ledger = Ledger()
    ledger.take(written=5)
    ledger.take(dropped=2, reason="empty label")
    ledger.take(written=1, dropped=1, reason="blank")
    assert ledger.entry() == {"read": 9, "written": 6, "dropped": {"blank": 1, "empty label": 2}}


def test_nothing_read_is_nothing_dropped():
    assert Ledger().entry() == {"read": 0, "written": 0, "dropped": {}}


def test_books_of_two_shards_add_up_to_those_of_the_whole():
    whole, *shards = Ledger(), Ledger(), Ledger()
    for shard, written in zip(shards, (3, 4), strict=True):
        for ledger in (whole, shard):
            ledger.take(written=written, dropped=1, reason="blank")
    assert whole.read == sum(shard.read for shard in shards) == 9
    assert whole.dropped == shards[0].dropped + shards[1].dropped


def test_line_for_people_has_the_reasons_only_where_something_was_dropped():
    entry = {"read": 1200, "written": 1198, "dropped": {"blank": 1, "empty label": 1}}
    assert describe_entry("values", entry) == ("values: read 1,200 = written 1,198 + dropped 2 (blank: 1; empty label: 1)")
    assert describe_entry("files", {"read": 3, "written": 3, "dropped": {}}) == "files: read 3 = written 3 + dropped 0"


def test_books_of_several_ledgers_add_up():
    whole, part = Ledger(), Ledger()
    part.take(written=2)
    part.take(dropped=1, reason="no image")
    for _ in range(2):
        whole.add(part.entry())
    assert whole.entry() == {"read": 6, "written": 4, "dropped": {"no image": 2}}
