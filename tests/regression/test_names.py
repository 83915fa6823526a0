"""Parameters may be called what the methods of a cached function call their own."""

from __future__ import annotations

from typing import Any

import pytest

from fleche import cached
from fleche.caches import Cache

pytestmark = pytest.mark.portable


def test_parameters_may_have_any_name(cache: Cache) -> None:
    """A parameter named ``self``, and one in ``**kwargs``, is given by keyword as to the undecorated function."""

    @cached
    def f(**self: Any) -> Any:
        return self

    @cached
    def g(self: int) -> int:
        return self

    assert f(self=1) == {"self": 1}
    assert g(self=2) == 2
    assert g.contains(self=2)
    assert g.load(self=2) == g.rerun(self=2) == 2
    assert g.key(self=2) == g.call(self=2).key
    assert g.bind()(self=2) == 2
    assert g.query(self=2).count() == 1
    assert g.forget(self=2)
