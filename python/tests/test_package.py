"""The package as a whole: its names and exceptions."""

import inspect
import pickle
from pathlib import Path

import pytest

import tightwire
from tightwire import exceptions

PACKAGE = Path(tightwire.__file__).parent


def test_all_names_exist_and_are_documented():
    for name in tightwire.__all__:
        value = getattr(tightwire, name)
        assert name == "__version__" or inspect.getdoc(value), name
        if isinstance(value, type):
            assert value.__module__.startswith("tightwire"), name
    for owner in (tightwire.WebSocket, tightwire.Server, tightwire.Event):
        for name, value in vars(owner).items():
            if not name.startswith("_") and not name.isupper():
                assert inspect.getdoc(value), f"{owner.__name__}.{name}"


@pytest.mark.parametrize("name", exceptions.__all__)
def test_exceptions_survive_pickling(name):
    cls = getattr(exceptions, name)
    if not issubclass(cls, Exception):
        return
    error = cls(1, 2) if cls is exceptions.BufferFull else cls("text")
    error.phase = "tcp"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls and str(again) == str(error) and again.phase == "tcp"
    assert issubclass(cls, exceptions.WebSocketError)


def test_sockets_are_not_pickled():
    with pytest.raises(TypeError):
        pickle.dumps(tightwire.WebSocket.__new__(tightwire.WebSocket))
