"""Models are loaded once for all who ask, kept within a bound, and loaded anew where their files change."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from backend.errors import TailscopeError
from backend.models.device import measure_model_memory
from backend.models.encode import stamp_files
from backend.models.kept import ModelShelf, find_memory
from backend.models.loading import load_model
from tests.tiny_clip import write_model


@dataclass
class Loaded:
    """What a shelf asks of a model."""

    spec: str
    size_bytes: int
    files: tuple[Path, ...] = ()
    stamp: tuple = ()


@dataclass
class Loader:
    """Loads models of sizes that the test says, and notes what it was asked for."""

    sizes: dict[str, int]
    delay: float = 0.0
    asked: list[str] = field(default_factory=list)

    def __call__(self, spec: str, *, allow_download: bool = False, say=None) -> Loaded:
        self.asked.append(spec)
        time.sleep(self.delay)
        if spec not in self.sizes:
            raise TailscopeError(f"No model {spec}.")
        return Loaded(spec, self.sizes[spec])


def test_model_that_was_asked_for_is_kept():
    load = Loader({"a": 10})
    shelf = ModelShelf(100, load)
    assert shelf.get("a") is shelf.get("a")
    assert (load.asked, shelf.held, shelf.held_bytes) == (["a"], [("a", 10)], 10)


def test_longest_unused_goes_first_where_the_bound_is_met():
    load = Loader({"a": 40, "b": 40, "c": 40})
    shelf = ModelShelf(100, load)
    for spec in ("a", "b", "a", "c"):
        shelf.get(spec)
    assert (shelf.held, shelf.held_bytes) == ([("a", 40), ("c", 40)], 80)
    shelf.get("b")
    assert load.asked == ["a", "b", "c", "b"]


def test_several_go_for_a_large_one():
    shelf = ModelShelf(100, Loader({"a": 30, "b": 30, "c": 30, "d": 70}))
    for spec in ("a", "b", "c", "d"):
        shelf.get(spec)
    assert shelf.held == [("c", 30), ("d", 70)]


def test_model_larger_than_the_bound_is_handed_out_and_not_kept():
    shelf = ModelShelf(100, Loader({"a": 30, "giant": 101}))
    shelf.get("a")
    assert shelf.get("giant").spec == "giant"
    assert shelf.held == [("a", 30)]


def test_bound_is_held_whatever_is_asked():
    sizes = {str(number): 7 * number for number in range(15)}
    shelf = ModelShelf(100, Loader(sizes))
    for number in range(200):
        shelf.get(str(number * 7 % 15))
        assert shelf.held_bytes == sum(size for _, size in shelf.held) <= 100


def test_eight_sessions_at_once_load_a_model_once():
    load = Loader({"a": 10}, delay=0.2)
    shelf = ModelShelf(100, load)
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(shelf.get, ["a"] * 8))
    assert load.asked == ["a"]
    assert len({id(model) for model in models}) == 1


def test_models_are_loaded_one_after_the_other():
    at_once, most, lock = 0, 0, threading.Lock()

    def load(spec: str, **options) -> Loaded:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.05)
        with lock:
            at_once -= 1
        return Loaded(spec, 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ModelShelf(100, load).get, "abcd"))
    assert most == 1


def test_download_holds_up_no_other_load_and_is_shared(hub, model, tmp_path):
    """A visitor's download hangs: who wants another model gets it, and who wants the same one waits for the same file."""
    shelf, other = ModelShelf(10**9), str(write_model(tmp_path / "other", seed=1))
    told = [[], []]
    hub.flows.clear()
    with ThreadPoolExecutor(4) as pool:
        try:
            coming = [pool.submit(shelf.get, "Tiny-ViT-8:mine", allow_download=True, say=said.append) for said in told]
            wait_until(lambda: count_fetches(hub) == 1)
            coming.append(pool.submit(shelf.get, "Tiny/ViT-8:mine", allow_download=True))
            assert pool.submit(shelf.get, other).result(timeout=30).name == "other"
            assert shelf.held == [(other, model.size_bytes)]
            assert not any(future.done() for future in coming)
        finally:
            hub.flows.set()
        first, second, third = (future.result(timeout=30) for future in coming)
    assert first is second
    assert told[0] == told[1] == sorted(told[0]) and told[0][-1] == 1.0
    np.testing.assert_array_equal(first.encode_texts(["a rose"]), model.encode_texts(["a rose"]))
    np.testing.assert_array_equal(third.encode_texts(["a rose"]), model.encode_texts(["a rose"]))
    assert count_fetches(hub) == 1


def test_who_may_not_download_is_told_so_while_nobody_waits(hub):
    shelf = ModelShelf(10**9)
    with pytest.raises(TailscopeError, match="are not on this machine"):
        shelf.get("Tiny-ViT-8:mine")
    assert hub.asked == []
    assert shelf.get("Tiny-ViT-8:mine", allow_download=True).name == "Tiny-ViT-8/mine"


def count_fetches(hub) -> int:
    return sum(method == "GET" for method, _ in hub.asked)


def wait_until(happened) -> None:
    """Returns once something has happened; fails where that takes half a minute."""
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_failure_reaches_all_who_wait_and_is_not_remembered():
    load = Loader({}, delay=0.2)
    shelf = ModelShelf(100, load)
    with ThreadPoolExecutor(4) as pool:
        failures = [pool.submit(shelf.get, "a") for _ in range(4)]
        assert {str(one.exception()) for one in failures} == {"No model a."}
    load.sizes["a"] = 5
    assert shelf.get("a").size_bytes == 5
    assert load.asked == ["a", "a"]


def test_model_that_fails_to_load_leaves_the_others(tmp_path):
    shelf = ModelShelf(10**9)
    good = shelf.get(str(write_model(tmp_path / "good")))
    broken = write_model(tmp_path / "broken")
    (broken / "open_clip_model.safetensors").write_bytes(b"no weights")
    with pytest.raises(TailscopeError, match="does not hold the weights"):
        shelf.get(str(broken))
    assert shelf.held == [(str(tmp_path / "good"), good.size_bytes)]


def test_changed_weights_are_loaded_anew(tmp_path):
    shelf = ModelShelf(10**9)
    spec = str(write_model(tmp_path / "model"))
    first = shelf.get(spec)
    checksum = first.weights_sha256
    write_model(tmp_path / "model", seed=1)
    second = shelf.get(spec)
    assert second is not first
    assert second.weights_sha256 != checksum
    assert len(shelf.held) == 1


def test_checksum_of_files_that_changed_after_loading_is_refused(tmp_path):
    model = load_model(str(write_model(tmp_path / "model")))
    write_model(tmp_path / "model", seed=1)
    with pytest.raises(TailscopeError, match="has changed since model was loaded from it. Load it again."):
        _ = model.weights_sha256


def test_size_is_that_of_all_weights(tmp_path):
    model = load_model(str(write_model(tmp_path / "model")))
    assert model.size_bytes == sum(4 * parameter.numel() for parameter in model.net.parameters()) + sum(
        buffer.numel() * buffer.element_size() for buffer in model.net.buffers()
    )


def test_stamp_of_a_file_that_is_gone_is_none(tmp_path):
    (tmp_path / "here").write_bytes(b"abc")
    stamp = stamp_files((tmp_path / "here", tmp_path / "gone"))
    assert (stamp[0][0], stamp[1]) == (3, None)


def test_memory_for_models_is_what_the_environment_says_or_half_of_the_machines(monkeypatch):
    monkeypatch.setenv("TAILSCOPE_MODEL_MEMORY", "123456")
    assert find_memory() == 123456
    monkeypatch.delenv("TAILSCOPE_MODEL_MEMORY")
    assert find_memory() == measure_model_memory() // 2 > 0


def test_memory_for_models_stays_below_a_containers_limit(monkeypatch):
    monkeypatch.delenv("TAILSCOPE_MODEL_MEMORY", raising=False)
    monkeypatch.setattr("backend.models.device.choose_device", lambda: "cpu")
    monkeypatch.setattr("backend.memory.list_limits", lambda: [600 * 2**20])
    assert find_memory() == 300 * 2**20


def test_memory_for_models_that_is_no_number_is_told(monkeypatch):
    monkeypatch.setenv("TAILSCOPE_MODEL_MEMORY", "8GB")
    with pytest.raises(TailscopeError, match="TAILSCOPE_MODEL_MEMORY is “8GB” in the environment. It is a number of bytes"):
        find_memory()
