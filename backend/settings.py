"""What whoever runs the app lets its visitors do and see: the environment says so.

TAILSCOPE_ALLOW_PATHS: 1, visitors may name any model's folder or file on the server's machine; 0, they may not.
TAILSCOPE_ALLOW_DOWNLOADS: 1, visitors may start downloads of weights, which can be gigabytes; 0, they may not.
TAILSCOPE_SHOW_URLS: 1, the URLs that a corpus has in the place of images are shown, as text; nothing is ever fetched.
TAILSCOPE_MODEL_ROOTS: folders whose models are offered beside the shipped ones, separated as in PATH.

Where the first two are not set, they are on if the server is asked from its own machine alone, else off.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from backend.errors import TailscopeError

ALLOW_PATHS = "TAILSCOPE_ALLOW_PATHS"
ALLOW_DOWNLOADS = "TAILSCOPE_ALLOW_DOWNLOADS"
MODEL_ROOTS = "TAILSCOPE_MODEL_ROOTS"
SHOW_URLS = "TAILSCOPE_SHOW_URLS"
PROXY_HEADERS = {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"}


@dataclass(frozen=True)
class ModelSettings:
    """What visitors may do: name any `paths` of this machine, start `downloads`; `roots`: folders whose models are offered."""

    paths: bool
    downloads: bool
    roots: tuple[Path, ...] = ()


def read_settings(local: bool, environment: Mapping[str, str] | None = None) -> ModelSettings:
    """The settings of a server that is, or is not, asked from its own machine alone.

    Raises TailscopeError where the environment says neither 1 nor 0.
    """
    said = os.environ if environment is None else environment
    roots = tuple(Path(folder).expanduser() for folder in said.get(MODEL_ROOTS, "").split(os.pathsep) if folder.strip())
    return ModelSettings(_read_switch(said, ALLOW_PATHS, local), _read_switch(said, ALLOW_DOWNLOADS, local), roots)


def may_show_urls(environment: Mapping[str, str] | None = None) -> bool:
    """Whether visitors may see the URLs of a corpus, which lead to whatever strangers have put there; no, unless it is said.

    Raises TailscopeError where the environment says neither 1 nor 0.
    """
    return _read_switch(os.environ if environment is None else environment, SHOW_URLS, False)


def is_local(address: str | None, headers: Iterable[str] = ()) -> bool:
    """Whether a server that listens at `address` (None: at every one) is asked from its own machine alone.

    `headers`: the names of those that a visitor's request came with; some tell that a proxy passes strangers' requests on.

    >>> is_local("127.0.0.1"), is_local(None), is_local("127.0.0.1", ["X-Forwarded-For"])
    (True, False, False)
    """
    if any(name.lower() in PROXY_HEADERS for name in headers):
        return False
    try:
        return address == "localhost" or ip_address(address or "").is_loopback
    except ValueError:  # the name of a host
        return False


def _read_switch(said: Mapping[str, str], name: str, unsaid: bool) -> bool:
    value = said.get(name, "").strip()
    if value not in ("", "0", "1"):
        raise TailscopeError(f"{name} is “{value}” in the server's environment. It is 1 (allowed) or 0 (not allowed).")
    return value == "1" if value else unsaid
