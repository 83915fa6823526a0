"""`fleche.wrapper`: the decorator and its markers."""

from __future__ import annotations

import pytest

import fleche as package
from fleche.call import FunctionProfile, bind
from fleche.wrapper import Ignored, Required, fleche, process_ignore_required_args

pytestmark = pytest.mark.portable


def simulate(steps, seed: Required[int] = 0, log: Ignored[list] = None): ...


def test_the_decorator_is_the_same_everywhere():
    """``fleche.wrapper.fleche`` is ``fleche.fleche``, and so are the markers."""
    assert fleche is package.fleche
    assert (Ignored, Required) == (package.Ignored, package.Required)


def test_options_and_annotations_together_name_the_parameters():
    """Ignored ones first, required ones second."""
    assert process_ignore_required_args(simulate) == ({"log"}, {"seed"})
    assert process_ignore_required_args(simulate, ignore=["steps"]) == ({"log", "steps"}, {"seed"})
    assert process_ignore_required_args(simulate, None, "steps") == ({"log"}, {"seed", "steps"})


def test_contradictions_and_unknown_names_are_refused():
    """With a `TypeError` that names them."""
    with pytest.raises(TypeError, match="log"):
        process_ignore_required_args(simulate, require="log")
    with pytest.raises(TypeError, match="depth"):
        process_ignore_required_args(simulate, ignore="depth")


def test_a_profile_knows_the_same():
    """`FunctionProfile.of` reads a function once; `bind` gives the arguments of a call."""
    profile = FunctionProfile.of(simulate)
    profile.settle()
    assert (profile.ignored, profile.required) == ({"log"}, {"seed"})
    assert bind(simulate, (10,), {"seed": 4}) == {"steps": 10, "seed": 4}
