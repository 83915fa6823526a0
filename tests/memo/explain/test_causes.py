"""The true cause of every miss of the corpus of edits, as `why` tells it from what a store keeps."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import pytest

from fleche import cached
from fleche.caches import Cache, Filing
from fleche.call.key import call_prefix, lookup_key
from fleche.digest import Digest
from fleche.memo import CachedFunction
from fleche.memo.explain import Cause, Why
from fleche.memo.explain.why import explain, explain_sealed
from fleche.memo.memo import Memo, Sealed
from fleche.storage.memory import MemoryStore
from tests.digest.code.projects import Edit, Files, edits, imported, write

CASES = edits(Path(__file__).parents[2] / "digest" / "code" / "edits.txt")
NOTHING: dict[str, Digest] = {}


def sealed_alone(memo: Memo) -> Sealed:
    """Return a call without arguments, of a function that the corpus only fingerprints."""
    assert memo.watch is not None
    code = memo.watch.current()
    key = lookup_key(call_prefix(memo.module, memo.name, None, code), NOTHING)
    return Sealed(key, {}, NOTHING, code, frozenset(), frozenset(), {}, ())


def asked(directory: Path, files: Files, edit: Edit, cache: Cache, *, file: bool) -> Why:
    """Return why the case's call is a hit or a miss, after filing it if that is asked for; its body never runs."""
    write(directory, files)
    module_name, name = edit.function.split()
    with imported(directory, module_name) as module:
        function: Any = operator.attrgetter(name)(module)
        function = getattr(function, "__func__", function)
        if not isinstance(function, CachedFunction):
            function = cached(function, cache=cache)
        memo = function._memo
        args, kwargs = eval(f"(lambda *a, **k: (a, k))({edit.call or ''})", vars(module))
        sealed = sealed_alone(memo) if edit.call is None else memo.seal(args, kwargs)
        if file:
            filing = Filing(code=memo.code_record(cache, sealed))
            values = {name: value for name, value in sealed.arguments.items() if name not in sealed.refers}
            cache.prepare(memo.record(sealed), filing, values=values).commit("kept")
        if edit.call is None or memo.options.cache is not cache:
            return explain_sealed(memo, cache, sealed)
        return explain(memo, args, kwargs)


@pytest.mark.parametrize("edit", CASES, ids=lambda edit: edit.title)
def test_the_cause_is_named(edit: Edit, tmp_path: Path) -> None:
    """A hit is one; of a miss exactly what the corpus says is told, with the way to it."""
    store = MemoryStore()
    cache = Cache(store.values, store.calls)
    before = asked(tmp_path / "one", edit.before, edit, cache, file=True)
    assert before.hit
    why = asked(tmp_path / "two", edit.after, edit, cache, file=False)
    assert why.hit is edit.hit
    if edit.hit:
        assert why.cause is Cause.HIT
        return
    if why.function != before.function:  # another function altogether stands at its place
        assert why.cause is Cause.NEVER
        assert before.function not in str(why)
        return
    named = {f"{change.kind} {change.name}" for change in why.code if not change.follows}
    assert named | ({"arguments"} if why.arguments else set()) == edit.because
    kinds = {reason.kind for reason in why.causes}
    assert kinds <= {Cause.CODE, Cause.ARGUMENT}
    assert (Cause.CODE in kinds) is (edit.because != {"arguments"})
    assert (Cause.ARGUMENT in kinds) is ("arguments" in edit.because)
    assert why.nearest is not None
    for change in why.code:
        assert change.text
        assert str(change).isprintable()
    assert str(why).startswith("miss: ")
    assert all(str(change) in str(why) for change in why.code if not change.follows)
