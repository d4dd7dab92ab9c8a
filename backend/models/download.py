"""Weights of open_clip's tags: found in the cache of this machine, or fetched into it with progress."""

import errno
import hashlib
import pickle
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.errors import TailscopeError
from backend.models.checkpoints import NO_WEIGHTS
from backend.progress import Progress

TOKENIZER_PARTS = (  # files by which a model of the hub reads text, where it brings a tokenizer of its own
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "vocab.txt"),
    *("sentencepiece.bpe.model", "spiece.model"),
)

UNREACHED = "the place where they lie cannot be reached. Is this machine connected to the Internet?"

_NO_ROUTE = (errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH)


def find_cached(tag: dict) -> Path | None:
    """The weights of a tag in the Hugging Face cache of this machine; None where they are not there."""
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(*place) for place in list_places(tag))
    return next((Path(path) for path in found if isinstance(path, str)), None)


def list_places(tag: dict) -> list[tuple[str, str]]:
    """(repository, file) where the weights of a tag may lie on the Hugging Face hub, the safer format first."""
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    repository, _, name = tag.get("hf_hub", "").rpartition("/")
    names = [str(Path(name).with_suffix(".safetensors")), name] if name else [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]
    return [(repository, one) for one in dict.fromkeys(names)] if repository else []


def download_weights(architecture: str, weights: str, tag: dict, allow_download: bool, say: Progress | None) -> Path:
    """The weights of a tag, fetched into the cache of this machine; `say` is told how far it is.

    Raises TailscopeError where that is not allowed, or fails. Who asks for the same file meanwhile, in this process or
    another, waits for it: the hub's client locks it.
    """
    import open_clip
    from huggingface_hub.errors import EntryNotFoundError, HTTPError, XetDownloadError

    if not allow_download:
        place = tag.get("hf_hub") or tag.get("url")
        raise TailscopeError(
            f"The weights of {architecture}:{weights} are not on this machine. Fetching them ({place.rstrip('/')}) has to be "
            "allowed: --allow-download on the command line, allow_download=True in Python."
        )
    try:
        return _fetch(tag, say or (lambda done: None)) or Path(open_clip.download_pretrained(tag))
    except (OSError, RuntimeError, ValueError, HTTPError, EntryNotFoundError, XetDownloadError) as error:
        raise TailscopeError(f"The weights of {architecture}:{weights} could not be fetched: {shorten_error(error)}") from error


def fetch_repository(repository: str, config: str, allow_download: bool, say: Progress | None) -> Path:
    """The folder of this machine's cache with a model of the Hugging Face hub, which has a file `config` as open_clip's have.

    Raises TailscopeError where it has to be fetched and that is not allowed, or fails.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HTTPError, LocalEntryNotFoundError, XetDownloadError

    told, tag = f"hf-hub:{repository}", {"hf_hub": f"{repository}/"}
    here = try_to_load_from_cache(repository, config)
    if isinstance(here, str) and find_cached(tag):
        return Path(here).parent
    if not allow_download:
        raise TailscopeError(
            f"{told} is not on this machine. Fetching it has to be allowed: --allow-download on the command line, "
            "allow_download=True in Python."
        )
    try:
        with _keep_retries_quiet():
            place = Path(hf_hub_download(repository, config)).parent
            for name in TOKENIZER_PARTS:
                _fetch_part(repository, name)
            _fetch(tag, say or (lambda done: None))
        return place
    except LocalEntryNotFoundError as error:  # neither here nor reached; it is one of the next kind, too
        raise TailscopeError(f"{told} could not be fetched: {UNREACHED}") from error
    except EntryNotFoundError as error:
        raise TailscopeError(f"{told} has no {config} or no weights, so it is no model in open_clip's format.") from error
    except (OSError, RuntimeError, ValueError, HTTPError, XetDownloadError) as error:
        raise TailscopeError(f"{told} could not be fetched: {shorten_error(error)}") from error


def _fetch_part(repository: str, name: str) -> None:
    """Fetches a file that a model may have. Raises LocalEntryNotFoundError where the hub was not reached to ask."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        hf_hub_download(repository, name)
    except LocalEntryNotFoundError:
        raise
    except EntryNotFoundError:  # most models have few of them, or none
        pass


@contextmanager
def _keep_retries_quiet() -> Iterator[None]:
    """The hub's client prints a line for each of its tries; what comes of them is said once, by an error."""
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _fetch(tag: dict, say: Progress) -> Path | None:
    """The weights of a tag, fetched from the Hugging Face hub into its cache; None where the tag does not lie there.

    open_clip's own download tells nothing of its progress, and tries a second file where the first met a full disk. Raises
    OSError where the disk is too full, or where a file is not what the hub's checksum says.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    missing = None
    for repository, name in list_places(tag):
        try:
            expected = get_hf_file_metadata(hf_hub_url(repository, name))
        except EntryNotFoundError as error:
            missing = error
            continue
        cache = Path(constants.HF_HUB_CACHE)
        cache.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache).free
        if expected.size and expected.size > free:
            raise OSError(f"it has {expected.size / 1e6:,.0f} MB, and the disk of the cache has room for {free / 1e6:,.0f} MB.")
        path = Path(hf_hub_download(repository, name, tqdm_class=_make_counter(say, expected.size)))
        _check_content(path, expected.etag)
        return path
    if missing:
        raise missing
    return None


def _check_content(path: Path, checksum: str | None) -> None:
    """Deletes a fetched file and raises OSError where its SHA-256 is not the one that the hub gives for large files."""
    if not checksum or not re.fullmatch("[0-9a-f]{64}", checksum):
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != checksum:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise OSError(f"{path.name} has the checksum {found[:12]}..., not {checksum[:12]}...; it was deleted.")


def _make_counter(say: Progress, size: int | None) -> type:
    """A progress bar as the hub's client wants one, which shows nothing and tells `say` the fraction of `size` bytes."""
    from tqdm import tqdm

    class Counter(tqdm):
        def display(self, *arguments, **options) -> bool:
            return True

        def update(self, n: float = 1) -> bool | None:
            shown = super().update(n)
            total = size or self.total
            if total:
                say(min(self.n / total, 1.0))
            return shown

    return Counter


def shorten_error(error: BaseException) -> str:
    """The beginning of an error, without places of this machine and without torch's advice to run what a file holds."""
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
        return NO_WEIGHTS
    if _is_unreached(error):
        return UNREACHED
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}."
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _is_unreached(error: BaseException | None) -> bool:
    """Whether an error comes from a name that is not resolved or a host that does not answer, however clients wrap it."""
    while error is not None:
        if isinstance(error, (socket.gaierror, ConnectionError, TimeoutError)) or getattr(error, "errno", None) in _NO_ROUTE:
            return True
        error = error.__cause__ or error.__context__
    return False
