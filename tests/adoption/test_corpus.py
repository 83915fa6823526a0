"""Every edit of the corpus, with the function or its package renamed besides: ``was`` must not hide one that misses."""

import operator
import re
from pathlib import Path

import pytest

from fleche.digest.code import CodeWatch
from fleche.digest.code.graph import graph_digest
from fleche.digest.code.renamed import Place, renamed, renamings
from tests.digest.code.projects import edits, imported, write

CASES = [e for e in edits(Path(__file__).parents[1] / "digest" / "code" / "edits.txt") if ".py" not in e.function]


def codes(directory, files, function, old=None):
    """Return the fingerprint of a function, and those that it would have under an old name."""
    write(directory, files)
    module_name, name = function.split()
    with imported(directory, module_name) as module:
        found = operator.attrgetter(name)(module)
        found = getattr(found, "__func__", found)
        found = getattr(found, "__wrapped__", found) if type(found).__module__.startswith("fleche") else found
        watch = CodeWatch(found)
        here = Place(found.__module__, found.__qualname__)
        made = set()
        for root in watch.elsewhere() if old is not None else ():
            for renaming in renamings(here, old(here)):
                graph = renamed(root, renaming, deep=True)
                if graph is not None:
                    made.add(graph_digest(graph))
        return watch.current(), made


def replaced(files, name, new):
    """Return files in which a word is another wherever it stands."""
    return {file: text if text is None else re.sub(rf"\b{name}\b", new, text) for file, text in files.items()}


def former(place):
    """Return where a function was before it was renamed."""
    return Place(place.module, re.sub(r"\bzzz(?=\w)", "", place.name))


def moved(place):
    """Return where a function was before its package was renamed."""
    return Place(re.sub(r"\bzzzpkg\b", "pkg", place.module), place.name)


BROKEN = (AttributeError, NameError, TypeError, ImportError, ValueError, KeyError, SyntaxError)
FOUND = {"renamed": [0, 0], "moved": [0, 0]}


@pytest.mark.parametrize("how", FOUND)
@pytest.mark.parametrize("edit", CASES, ids=lambda edit: edit.title)
def test_a_renaming_hides_no_edit(edit, how, tmp_path):
    """The code under its old name is that of before only where the edit alone would be a hit."""
    before, _ = codes(tmp_path / "one", edit.before, edit.function)
    alone, _ = codes(tmp_path / "two", edit.after, edit.function)
    module, name = edit.function.split()
    head, dot, last = name.rpartition(".")
    try:
        if how == "renamed":
            new = replaced(edit.after, last, f"zzz{last}")
            _, made = codes(tmp_path / "three", new, f"{module} {head}{dot}zzz{last}", former)
        else:
            new = replaced({"__init__.py": "", **edit.after}, "pkg", "zzzpkg")
            new = {path if path.startswith("/") else f"/zzzpkg/{path}": text for path, text in new.items()}
            _, made = codes(tmp_path / "three", new, re.sub(r"\bpkg\b", "zzzpkg", edit.function), moved)
    except BROKEN:
        pytest.skip("it does not run under another name")
    assert before not in made or before == alone
    if before == alone:
        FOUND[how][before in made] += 1


def test_most_renamings_are_seen_through():
    """Of edits that change nothing, renamed besides: the others have the name in a value."""
    for missed, found in FOUND.values():
        assert found >= 9 * missed
