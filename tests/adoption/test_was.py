"""``was``: a function that was renamed or moved finds its calls, if its code is otherwise the same."""

import asyncio
import inspect

import pytest

from tests.adoption.cases import CASES


def function_of(project, path, files):
    """Import a function of a project, anew."""
    parts = path.split(".")
    project.write(files)
    names = [".".join(parts[:at]) for at in range(len(parts) - 1, 0, -1)]
    module = project.load(next(n for n in names if (project.root / f"{n.replace('.', '/')}.py").exists()))
    found = module
    for name in parts[len(module.__name__.split(".")) :]:
        found = getattr(found, name)
    return found, vars(module)


def called(function, call, space):
    """Return the result of a call that is given as text."""
    found = eval(f"_function{call}", {**space, "_function": function})
    if inspect.iscoroutine(found):
        return asyncio.run(found)
    return list(found) if inspect.isgenerator(found) or hasattr(found, "__next__") else found


@pytest.mark.parametrize(
    ("before", "old", "after", "new", "call", "hits"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_edits(project, store, before, old, after, new, call, hits):
    """Each edit of the table brings stored calls back, or does not."""
    function, space = function_of(project, old, before)
    first = called(function, call, space)
    gone = {name: None for name in before if name not in after}
    function, space = function_of(project, new, gone | after)
    contained = called(function.contains, call, space)
    assert contained is hits
    again = called(function, call, space)
    assert (function.info().misses == 0) is hits
    if hits:
        assert again == first


def test_lineage_names_the_call_that_exists(project, store):
    """A call that is answered by a record of its earlier name is traced, and forgotten, as that record."""
    before = {"study.py": "from fleche import cached\n\n@cached\ndef load(n):\n    return list(range(n))\n"}
    project.write(before)
    project.load("study").load(100)
    after = {
        "study.py": (
            "from fleche import cached\n\n"
            '@cached(was="load")\ndef read(n):\n    return list(range(n))\n\n'
            "@cached\ndef total(values):\n    return sum(values)\n\n"
            "@cached\ndef whole(n):\n    return total(read(n))\n"
        )
    }
    project.write(after)
    study = project.load("study")
    assert study.whole(100) == 4950
    assert study.read.info().misses == 0
    outer, inner = study.whole.calls.only(), study.total.calls.only()
    (old,) = study.read.calls
    assert old.name == "load"
    assert [call.key for call in inner.parents()] == [old.key]
    assert {call.key for call in outer.inner()} == {old.key, inner.key}
    assert outer.lineage.missing() == []
    report = study.read.forget(100, downstream=True)
    assert {call.key for call in report.calls} == {old.key, inner.key, outer.key}
    assert study.read.contains(100)
    report.confirm()
    assert not study.read.contains(100)
