"""A watch is current: what changes while the process runs counts at the next call."""

from __future__ import annotations

import functools
import json
import linecache
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche.digest.code import CodeWatch, fingerprint

pytestmark = pytest.mark.portable


def adder(n: int) -> Callable[[int], int]:
    return lambda x: x + n


class Notebook:
    """A namespace that cells are run in."""

    def __init__(self, *cells: str) -> None:
        self.space: dict[str, Any] = {"__name__": "__main__"}
        for text in cells:
            self.run(text)

    def run(self, text: str) -> None:
        name = f"<notebook-{id(self)}-{len(linecache.cache)}>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec", dont_inherit=True), self.space)

    def watch(self, name: str = "f", **options: Any) -> CodeWatch:
        return CodeWatch(self.space[name], **options)


@pytest.mark.parametrize(
    ("cells", "change", "back"),
    [
        ("def h(x): return 1\ndef f(x): return h(x)", "def h(x): return 2", "def h(x): return 1"),
        ("N = 1\ndef f(x): return N", "N = 2", "N = 1"),
        ("N = 1\ndef f(x): return N", "N = 1.0", "N = 1"),
        ("def f(x): return later(x)", "def later(x): return 1", "del later"),
        ("def f(x): return len(x)", "len = lambda x: 3", "del len"),
        ("T = {'a': [1]}\ndef f(x): return T", "T['a'].append(2)", "T['a'].pop()"),
        ("T = {'a': 1}\ndef f(x): return T", "T['b'] = 2", "del T['b']"),
        ("T = {1, 2}\ndef f(x): return T", "T.add(3)", "T.remove(3)"),
        ("T = [lambda x: 1]\ndef f(x): return T", "T.append(lambda x: 2)", "T.pop()"),
        ("T = {'a': len}\ndef f(x): return T", "T['a'] = sum", "T['a'] = len"),
        ("class A:\n  def m(self): return 1\ndef f(x): return A().m()", "A.m = lambda self: 2", None),
        ("class A:\n  k = 1\ndef f(x): return A.k", "A.k = 2", "A.k = 1"),
        ("class A: pass\ndef f(x): return A()", "A.k = 2", "del A.k"),
        ("class A: pass\nx = A()\nx.n = 1\ndef f(y): return x.n", "x.n = 2", "x.n = 1"),
        ("def f(x, y=1): return x + y", "f.__defaults__ = (2,)", "f.__defaults__ = (1,)"),
        ("def f(x, *, y=1): return x + y", "f.__kwdefaults__['y'] = 2", "f.__kwdefaults__['y'] = 1"),
        ("def f(x, y=[]): return x, y", "f.__defaults__[0].append(1)", "f.__defaults__[0].clear()"),
        ("def g(x): return 1\ndef f(x): return 2", "c = f.__code__; f.__code__ = g.__code__", "f.__code__ = c"),
        ("def m(n):\n  return lambda x: x + n\nf = m(1)", "f.__closure__[0].cell_contents = 2", None),
        ("def h(): pass\nh.k = 1\ndef f(x): return h.k", "h.k = 2", "h.k = 1"),
    ],
)
def test_changes_count_at_the_next_call(cells: str, change: str, back: str | None) -> None:
    """A change is seen, and taking it back gives the old fingerprint again."""
    notebook = Notebook(cells)
    watch = notebook.watch()
    before = watch.current()
    assert watch.current() == before
    notebook.run(change)
    assert watch.current() != before
    assert watch.current() == notebook.watch().current()
    if back is not None:
        notebook.run(back)
        assert watch.current() == before


@pytest.mark.parametrize(
    ("cells", "change"),
    [
        ("L = []\ndef f(x):\n  L.append(x)\n  return x", "f(1)"),
        ("N = 0\ndef f(x):\n  global N\n  N += 1\n  return x", "f(1)"),
        ("M = {}\ndef f(x):\n  return M.setdefault(x, 1)", "f(1)"),
        ("def f(x, memo={}):\n  memo[x] = 1\n  return x", "f(1)"),
        ("class A:\n  n = 0\ndef f(x):\n  A.n += 1", "f(1)"),
        ("D = {1: 0}\ndef f(x):\n  D[x] += 1", "f(1)"),
        ("L = [0, 0]\ndef f(x):\n  L[0:1] = [L[0] + x]", "f(1)"),
        ("D = {1: [0]}\ndef f(x):\n  D[x].append(1)", "f(1)"),
        ("D = {1: [0]}\ndef f(x):\n  D[x][0] += 1", "f(1)"),
        ("D = {2: 0}\ndef f(x):\n  D[x + len([x])] = [x, x]\n  D[2] = 0", "f(1)"),
        ("class A:\n  seen = []\n  def m(self, x): self.seen.append(x)\ndef f(x):\n  A().m(x)", "f(1)"),
        ("def m():\n  n = 0\n  def g(x):\n    nonlocal n\n    n += 1\n  return g\nf = m()", "f(1)"),
        ("def m():\n  n = []\n  def g(x):\n    n.append(x)\n  return g\nf = m()", "f(1)"),
        ("class A: pass\na = A()\na.n = 0\ndef f(x):\n  a.n += x", "f(1)"),
        ("import functools\n@functools.lru_cache\ndef h(x): return x\ndef f(x): return h(x)", "f(1)"),
        ("import functools\n@functools.lru_cache\ndef f(x): return x\nf = f.__wrapped__", "f(1)"),
        ("import re\ndef f(x): return re.sub('a', 'b', 'c')", "f(1)"),
        ("T = {'a': 1, 'b': 2}\ndef f(x): return T", "T['a'] = T.pop('a')"),
        ("def h(x): return 1\ndef f(x): return h(x)", "def h(x):\n  # the same\n  return 1"),
    ],
)
@pytest.mark.parametrize("source", [True, False], ids=["source", "bytecode"])
def test_what_does_not_count(cells: str, change: str, source: bool) -> None:
    """State that code changes, and changes that change nothing, leave the fingerprint alone."""
    notebook = Notebook(cells)
    if not source:
        linecache.cache.clear()
        if "same" in change:
            pytest.skip("source and bytecode differ by design")
    watch = notebook.watch()
    before = watch.current()
    assert watch.tree().how == ("source" if source else "bytecode")
    notebook.run(change)
    assert watch.current() == before
    assert notebook.watch().current() == before


def test_own_ignores_what_is_reached() -> None:
    """In mode own, a function is its code, closure and defaults."""
    notebook = Notebook("N = 1\ndef h(x): return N\ndef f(x, y=1): return h(x)")
    watch = notebook.watch(mode="own")
    before = watch.current()
    notebook.run("N = 2\ndef h(x): return 3")
    assert watch.current() == before
    notebook.run("f.__defaults__ = (2,)")
    assert watch.current() != before


def test_large_values_count_when_they_are_bound() -> None:
    """A large mutable value is digested when its name is bound; the tree says so."""
    notebook = Notebook("T = list(range(10_000))\ndef f(x): return T[x]")
    watch = notebook.watch()
    before = watch.current()
    assert "by binding" in str(watch.tree())
    notebook.run("T[0] = 5")
    assert watch.current() == before
    notebook.run("T = list(T)")
    assert watch.current() != before


def test_opaque_values_never_refuse() -> None:
    """What has no digest counts by name and type, and the tree says so."""
    notebook = Notebook("import threading\nL = threading.Lock()\ndef f(x):\n  with L: return x")
    watch = notebook.watch()
    before = watch.current()
    assert "opaque L" in str(watch.tree())
    notebook.run("L = threading.Lock()")
    assert watch.current() == before
    notebook.run("L = iter([])")
    assert watch.current() != before


def test_part_of_a_table_is_opaque() -> None:
    """A table with one thing that has no digest still counts in all others."""
    notebook = Notebook("import threading\nT = {'n': 1, 'l': threading.Lock()}\ndef f(x): return T['n']")
    watch = notebook.watch()
    before = watch.current()
    notebook.run("T['n'] = 2")
    assert watch.current() != before


def test_cycles_through_values_end() -> None:
    """An object that holds the function that reaches it has one fingerprint, from wherever it is entered."""
    cells = (
        "class Registry:\n  def __init__(self): self.steps = {}\nR = Registry()\n"
        "def g(x): return R.steps['f'](x)\ndef f(x): return R.steps['g'](x)\nR.steps.update(f=f, g=g)\n"
    )
    one, two = Notebook(cells), Notebook(cells)
    first = one.watch("f").current()
    fingerprint(two.space["g"])
    two.watch("g").current()
    assert two.watch("f").current() == first == fingerprint(one.space["f"])
    assert one.watch("g").current() != first


def test_recursion_is_entered_anywhere() -> None:
    """Mutual recursion: a fingerprint does not depend on what was fingerprinted before."""
    cells = "def a(n): return b(n - 1)\ndef b(n): return c(n)\ndef c(n): return a(n) if n else 0\n"
    one, two = Notebook(cells), Notebook(cells)
    forwards = [one.watch(name).current() for name in "abc"]
    backwards = [two.watch(name).current() for name in "cba"]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 3


def test_deep_chains_do_not_recurse() -> None:
    """A chain of two thousand helpers is walked, printed and written."""
    lines = [f"def h{i}(x): return h{i + 1}(x)" for i in range(2000)]
    notebook = Notebook("\n".join([*lines, "def h2000(x): return x"]))
    tree = notebook.watch("h0").tree()
    assert str(tree).count("\n") == 2000
    assert len(json.loads(tree.to_json())["nodes"]) == 2001


def test_tree() -> None:
    """The tree names each node, what it is and how it was taken, and is stable as JSON."""
    cells = "import math\nN = 3\ndef h(x): return math.sqrt(x) + N\ndef f(x): return h(x) + len([x])\n"
    watch = Notebook(cells).watch()
    tree = watch.tree()
    assert tree.digest == watch.current()
    assert (tree.kind, tree.how) == ("function", "source")
    labels = [label for label, _ in tree.children]
    assert labels == ["global h", "global len"]
    helper = dict(tree.children)["global h"]
    assert [(label, child.kind) for label, child in helper.children] == [
        ("global N", "constant"),
        ("global math.sqrt", "module"),
    ]
    assert tree.to_json() == Notebook("\n# moved\n" + cells).watch().tree().to_json()
    assert dict(tree.source)["__main__.h"] == "def h(x): return math.sqrt(x) + N\n"


def test_environment_versions_count() -> None:
    """Named distributions are nodes of the tree, by version; one that is absent has a node too."""
    notebook = Notebook("def f(x): return x")
    plain = notebook.watch().current()
    watch = notebook.watch(environment=("pytest", "no-such-thing"))
    assert watch.current() != plain
    assert [child.kind for _, child in watch.tree().children] == ["environment", "environment"]


def test_threads_agree() -> None:
    """Threads that meet one change all take the same fingerprint."""
    notebook = Notebook("def h(x): return 1\ndef f(x): return h(x)")
    watch = notebook.watch()
    watch.current()
    notebook.run("def h(x): return 2")
    barrier = threading.Barrier(8)
    found: list[str] = []

    def ask() -> None:
        barrier.wait()
        found.append(watch.current())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {notebook.watch().current()}


def test_cached_helpers_count_as_what_they_wrap() -> None:
    """An object of this library that wraps a function counts as that function, whatever its options."""
    cells = (
        "class Cached:\n  def __init__(self, g, ttl=None): self.__wrapped__, self.ttl = g, ttl\n"
        "  def __call__(self, *a): return self.__wrapped__(*a)\nCached.__module__ = 'fleche.memo.function'\n"
        "def h(x): return {}\nh = Cached(h, {})\ndef f(x): return h(x)\n"
    )
    plain = Notebook("def h(x): return 1\ndef f(x): return h(x)").watch().current()
    assert Notebook(cells.format(1, 3)).watch().current() == plain
    assert Notebook(cells.format(1, 4)).watch().current() == plain
    assert Notebook(cells.format(2, 3)).watch().current() != plain


def test_a_bad_mode_is_refused() -> None:
    """Only two modes exist."""
    with pytest.raises(ValueError, match="deep"):
        CodeWatch(len, mode="none")  # type: ignore[arg-type]


class TestValues:
    """Functions and classes as values."""

    def test_parts_are_the_function(self) -> None:
        """A method and a partial count as their function; the walk adds receiver and arguments."""

        class A:
            def m(self) -> int:
                return 1

        assert fingerprint(A().m) == fingerprint(A.m)
        assert fingerprint(functools.partial(A.m, 1)) == fingerprint(A.m)

    def test_libraries_count_by_name(self) -> None:
        """Builtins and functions of the standard library count by name."""
        assert fingerprint(len) != fingerprint(sum)
        assert fingerprint(json.dumps) != fingerprint(json.dump)
        assert fingerprint(json.dumps) == fingerprint(json.dumps)
        assert fingerprint(dict) != fingerprint(list)
        assert fingerprint(types.SimpleNamespace) != fingerprint(types.ModuleType)

    def test_classes(self) -> None:
        """A class made inside a function counts by what it is."""

        def make(n: int) -> type:
            class A:
                k = n

                def m(self) -> int:
                    return self.k

            return A

        assert fingerprint(make(1)) == fingerprint(make(1))
        assert fingerprint(make(1)) != fingerprint(make(2))

    def test_redefinition(self) -> None:
        """A value's fingerprint is current too."""
        notebook = Notebook("def h(x): return 1\ndef f(x): return h(x)")
        before = fingerprint(notebook.space["f"])
        notebook.run("def h(x): return 2")
        assert fingerprint(notebook.space["f"]) != before

    @given(st.lists(st.integers(0, 3), min_size=2, max_size=5))
    def test_equal_closures_are_equal_values(self, numbers: list[int]) -> None:
        """Lambdas of one place are equal exactly if what they close over is."""
        made = [fingerprint(adder(n)) for n in numbers]
        assert len(set(made)) == len(set(numbers))
