"""Images prepared ahead of the model: the same by processes as by threads, in their order, with every fault."""

import os
import signal

import numpy as np
import pytest

from backend.errors import TailscopeError
from backend.models.loading import load_model
from precompute.evaluate import prepared
from precompute.evaluate.features import encode_places
from precompute.evaluate.kept_features import KeptFeatures
from precompute.evaluate.prepared import Preparer, choose_decoders, prepare_ahead
from precompute.ledger import Ledger
from tests.tiny_clip import draw_pictures, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(str(write_model(tmp_path_factory.mktemp("models") / "tiny")))


@pytest.fixture
def places(tmp_path):
    """More images than a process hands over at once, one of them broken and one missing."""
    for number, picture in enumerate(draw_pictures(prepared.BLOCK + 3)):
        picture.save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"broken")
    (tmp_path / "5.png").unlink()
    return [(str(tmp_path / f"{number}.png"), None, None) for number in range(prepared.BLOCK + 3)]


def test_processes_prepare_what_threads_do(model, places):
    preparer = Preparer({model.prepare.key: model.prepare})
    threads, processes = (list(prepare_ahead(preparer, places, decoders)) for decoders in (0, 2))
    assert [image.digest for image in processes] == [image.digest for image in threads]
    assert [image.fault for image in processes] == [image.fault for image in threads]
    assert {number: image.fault for number, image in enumerate(threads) if image.fault} == {
        2: "image cannot be decoded",
        5: "image cannot be read",
    }
    for one, other in zip(processes, threads, strict=True):
        assert one.pixels.keys() == other.pixels.keys() == (set() if other.fault else {model.prepare.key})
        np.testing.assert_array_equal(one.pixels.get(model.prepare.key), other.pixels.get(model.prepare.key))


def test_features_by_processes_are_those_by_threads_and_are_found_again(model, places, tmp_path):
    books = [Ledger(), Ledger(), Ledger()]
    threads, numbers = encode_places(model, places, books[0], decoders=0)
    processes, same = encode_places(model, places, books[1], tmp_path / "kept", decoders=1)
    np.testing.assert_array_equal(processes, threads)
    assert numbers.tolist() == same.tolist() == [n for n in range(len(places)) if n not in (2, 5)]
    again = list(prepare_ahead(Preparer({}, [KeptFeatures(tmp_path / "kept", model)]), places, 1))
    assert [bool(image.digest) for image in again] == [n != 5 for n in range(len(places))]
    assert all(not image.pixels for image in again)
    np.testing.assert_array_equal(encode_places(model, places, books[2], tmp_path / "kept", decoders=1)[0], threads)
    assert books[0].entry() == books[1].entry() == books[2].entry()


class Killer:
    """A way to prepare that ends its own process."""

    def __call__(self, image):
        os.kill(os.getpid(), signal.SIGKILL)


def test_process_that_is_killed_is_told_with_what_to_do(places):
    with pytest.raises(TailscopeError, match=r"was killed, perhaps for want of memory.* fewer --decoders, or 0"):
        list(prepare_ahead(Preparer({"killer": Killer()}), places, 1))


def test_threads_decode_for_a_cpu_and_processes_for_a_gpu(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert (choose_decoders("cpu"), choose_decoders("cuda"), choose_decoders("mps")) == (0, 11, 11)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert choose_decoders("cuda") == 1
