"""A release is read from a folder, an archive or a URL, and nothing in it can leave its place or fill the machine.

Downloads come from a server of this test on 127.0.0.1, and from nowhere else.
"""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from backend.errors import SourceError
from backend.writing import file_sha256
from precompute.release import archive as source
from precompute.release.archive import describe_source, read_members
from tests.release_archive import HOSTILE, TOP, Entry, release_files, write_archive, write_folder


def contents(path: Path) -> dict[str, bytes]:
    """What `read_members` hands out, all of it sound."""
    members = list(read_members(path))
    assert [member.path for member in members if member.refused] == []
    return {member.path: member.content for member in members}


def refusals(path: Path) -> dict[str, str]:
    return {member.path: member.refused for member in read_members(path) if member.refused}


def test_archive_and_folder_hold_the_same_files(tmp_path, small_archive):
    folder = write_folder(tmp_path / "release")
    assert contents(small_archive) == contents(folder)
    assert sorted(contents(folder)) == sorted(release_files())


@pytest.mark.parametrize(
    ("fault", "path", "reason"),
    [
        ("symlink", "search_counts/food101_cc3m_lemmatized_search_counts.json", "link in the release"),
        ("hard link", "search_counts/food101_cc3m_lemmatized_search_counts.json", "link in the release"),
        ("parent path", "../escape.json", "path outside the release"),
        ("hidden parent path", f"{TOP}/search_counts/../../escape.json", "path outside the release"),
        ("absolute path", "/escape.json", "path outside the release"),
    ],
)
def test_entry_that_points_elsewhere_is_refused_and_costs_nothing_else(tmp_path, fault, path, reason):
    archive = write_archive(tmp_path / "main.tar.gz", [HOSTILE[fault]])
    assert refusals(archive) == {path: reason}
    assert sum(not member.refused for member in read_members(archive)) == len(release_files())


def test_nothing_is_ever_unpacked(tmp_path):
    archive = write_archive(tmp_path / "main.tar.gz", HOSTILE.values())
    assert len(list(read_members(archive))) == len(release_files()) + len(HOSTILE)
    assert [path.name for path in tmp_path.rglob("*")] == ["main.tar.gz"]


def test_link_in_a_folder_is_refused(tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "inner.json").write_text("{}")
    folder = write_folder(tmp_path / "release")
    (folder / "search_counts" / "linked.json").symlink_to(tmp_path / "secret.json")
    (folder / "linked").symlink_to(tmp_path / "secrets", target_is_directory=True)
    assert refusals(folder) == {
        "linked": "link in the release",
        "search_counts/linked.json": "link in the release",
    }
    assert "linked/inner.json" not in {member.path for member in read_members(folder)}


def test_special_file_is_refused(tmp_path):
    folder = write_folder(tmp_path / "release")
    os.mkfifo(folder / "pipe.json")
    assert refusals(folder) == {"pipe.json": "special file"}
    archive = tmp_path / "main.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder / "pipe.json", arcname=f"{TOP}/pipe.json")
    assert refusals(archive) == {"pipe.json": "special file"}


def test_file_above_the_size_limit_is_refused_and_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_MEMBER", 20_000)
    big = Entry("search_counts/big.json", b" " * 20_001)
    archive = write_archive(tmp_path / "main.tar.gz", [big, Entry("last.json", b"{}")])
    assert refusals(archive) == {"search_counts/big.json": "file above the size limit"}
    assert [member.path for member in read_members(archive)][-1] == "last.json"
    folder = write_folder(tmp_path / "release", release_files() | {"search_counts/big.json": " " * 20_001})
    assert refusals(folder) == {"search_counts/big.json": "file above the size limit"}


def test_archive_that_unpacks_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_TOTAL", 1 << 20)
    archive = write_archive(tmp_path / "main.tar.gz", [Entry(f"{k}.json", b" " * 300_000) for k in range(4)])
    assert archive.stat().st_size < 10_000
    with pytest.raises(SourceError, match="holds more than 0 GiB; that is no release of the paper"):
        list(read_members(archive))


def test_refused_files_count_towards_the_limit_too(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_MEMBER", 1 << 16)
    monkeypatch.setattr(source, "MAX_TOTAL", 1 << 20)
    archive = write_archive(tmp_path / "main.tar.gz", [Entry("huge.json", b" " * (2 << 20))])
    with pytest.raises(SourceError, match="that is no release of the paper"):
        list(read_members(archive))


def test_bytes_after_the_last_file_count_towards_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_TOTAL", 1 << 20)
    archive = write_archive(tmp_path / "main.tar.gz")
    with gzip.open(archive, "ab") as stream:
        stream.write(bytes(2 << 20))
    with pytest.raises(SourceError, match="that is no release of the paper"):
        list(read_members(archive))


def test_folder_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_TOTAL", 1000)
    with pytest.raises(SourceError, match="that is no release of the paper"):
        list(read_members(write_folder(tmp_path / "release")))


def test_archive_of_too_many_files_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_MEMBERS", 10)
    with pytest.raises(SourceError, match="holds more than 10 files"):
        list(read_members(write_archive(tmp_path / "main.tar.gz")))


def test_header_of_gigabytes_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_MEMBER", 1 << 16)
    archive = tmp_path / "main.tar.gz"
    header = tarfile.TarInfo("header")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    with gzip.open(archive, "wb") as stream:
        stream.write(header.tobuf(tarfile.USTAR_FORMAT))
        stream.write(bytes(1 << 17))
    with pytest.raises(SourceError, match="a header above the size limit"):
        list(read_members(archive))


def test_negative_size_does_not_read_for_ever(tmp_path):
    archive = tmp_path / "main.tar.gz"
    member = tarfile.TarInfo(f"{TOP}/a.json")
    member.size = -1024
    with gzip.open(archive, "wb") as stream:
        stream.write(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(SourceError, match="is not a whole .tar.gz archive"):
        list(read_members(archive))


def test_archive_cut_anywhere_is_refused(tmp_path, small_archive):
    whole = small_archive.read_bytes()
    cut = tmp_path / "cut.tar.gz"
    for length in (0, 1, 10, 500, len(whole) // 2, len(whole) - 9, len(whole) - 8, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(SourceError, match=r"cut\.tar\.gz is not a whole \.tar\.gz archive .*--source"):
            list(read_members(cut))


def test_damaged_byte_is_noticed(tmp_path, small_archive):
    whole = small_archive.read_bytes()
    damaged = tmp_path / "damaged.tar.gz"
    for place in range(40, len(whole), 97):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(SourceError, match="is not a whole .tar.gz archive"):
            list(read_members(damaged))


@pytest.mark.parametrize(
    "content",
    [b"<html>Not found</html>", b"PK\x03\x04", gzip.compress(b"no tar at all" * 99, mtime=0)],
    ids=["page", "zip", "gzip"],
)
def test_file_that_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "main.tar.gz"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="main.tar.gz is not a whole .tar.gz archive"):
        list(read_members(path))


def test_empty_archive_holds_nothing(tmp_path):
    assert contents(write_archive(tmp_path / "main.tar.gz", files={})) == {}


def test_absent_source_is_named(tmp_path):
    with pytest.raises(SourceError, match="No release at .*absent: it is neither a folder nor a .tar.gz file"):
        list(read_members(tmp_path / "absent"))


def test_name_that_is_no_text_is_escaped(tmp_path):
    archive = tmp_path / "main.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.GNU_FORMAT) as packed:
        packed.addfile(tarfile.TarInfo(f"{TOP}/a\udcff.json"), io.BytesIO())
    assert list(contents(archive)) == ["a\\udcff.json"]


def test_archive_is_described_by_its_checksum_and_a_folder_by_its_name(tmp_path, small_archive):
    assert describe_source(small_archive) == {
        "name": "small-main.tar.gz",
        "form": "tar.gz",
        "bytes": small_archive.stat().st_size,
        "sha256": file_sha256(small_archive),
    }
    assert describe_source(tmp_path) == {"name": tmp_path.name, "form": "folder"}
