"""What visitors may do, by the environment and by who can reach the server."""

import os
from pathlib import Path

import pytest

from backend.errors import TailscopeError
from backend.settings import (
    ALLOW_DOWNLOADS,
    ALLOW_PATHS,
    MODEL_ROOTS,
    SHOW_URLS,
    ModelSettings,
    is_local,
    may_show_urls,
    read_settings,
)


@pytest.mark.parametrize("local", [True, False])
def test_unsaid_both_are_on_for_the_own_machine_alone(local):
    assert read_settings(local, {}) == ModelSettings(paths=local, downloads=local, roots=())


def test_environment_decides_each_of_them():
    assert read_settings(False, {ALLOW_PATHS: "1"}) == ModelSettings(True, False)
    assert read_settings(False, {ALLOW_DOWNLOADS: " 1 "}) == ModelSettings(False, True)
    assert read_settings(True, {ALLOW_PATHS: "0", ALLOW_DOWNLOADS: ""}) == ModelSettings(False, True)


def test_roots_are_separated_as_in_path(monkeypatch):
    said = os.pathsep.join(["/a/b", " ", "c", "~/d"])
    monkeypatch.setenv("HOME", "/h")
    assert read_settings(False, {MODEL_ROOTS: said}).roots == (Path("/a/b"), Path("c"), Path("/h/d"))


@pytest.mark.parametrize("value", ["yes", "2", "true", "-1"])
def test_word_that_says_neither_is_told(value):
    with pytest.raises(TailscopeError, match=f"{ALLOW_PATHS} is “{value}” in the server's environment. It is 1 "):
        read_settings(True, {ALLOW_PATHS: value})


def test_process_environment_is_read(monkeypatch):
    monkeypatch.setenv(ALLOW_DOWNLOADS, "1")
    monkeypatch.delenv(ALLOW_PATHS, raising=False)
    assert read_settings(False) == ModelSettings(False, True)


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_addresses_of_the_own_machine_are_local(address):
    assert is_local(address, ["Host", "User-Agent"])


@pytest.mark.parametrize("address", [None, "", "0.0.0.0", "::", "192.168.1.2", "localhost.example", "unix:///tmp/s", "box"])
def test_other_addresses_are_not(address):
    assert not is_local(address)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "x-real-ip", "Forwarded", "Via"])
def test_request_through_a_proxy_is_a_strangers(header):
    assert not is_local("localhost", ["Host", header])


def test_urls_are_shown_where_it_is_said_alone():
    assert not may_show_urls({})
    assert may_show_urls({SHOW_URLS: "1"})
    with pytest.raises(TailscopeError, match=f"{SHOW_URLS} is “on”"):
        may_show_urls({SHOW_URLS: "on"})
