"""Examples in docstrings are executed."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import fleche

MODULES = sorted(
    info.name for info in pkgutil.walk_packages(fleche.__path__, "fleche.") if not info.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["fleche", *MODULES])
def test_examples_of_a_module(name: str) -> None:
    """They print what they say."""
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert not results.failed
