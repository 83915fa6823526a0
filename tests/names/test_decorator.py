"""The decorator `fleche`, with the options and the verbs that existing code uses."""

from __future__ import annotations

import inspect
import os
import warnings

import pytest

import fleche as package
from fleche import D, cache, fleche, project, tags
from fleche.caches import Cache
from fleche.digest import Digest, digest
from fleche.errors import UncachedWarning
from fleche.metadata import Git, Runtime, Tags
from fleche.storage.memory import CallMemory, ValueMemory

pytestmark = pytest.mark.portable


@pytest.fixture(autouse=True)
def _memory():
    with cache(Cache(ValueMemory({}), CallMemory({}))):
        yield


RUNS = []


def count(value):
    """Note that a body ran, and return the value."""
    RUNS.append(value)
    return value


@pytest.fixture(autouse=True)
def _no_runs():
    RUNS.clear()


def test_bare_and_called_it_decorates():
    """``@fleche``, ``@fleche()`` and ``@fleche(version=1)`` are decorators."""

    @fleche
    def bare(x, y):
        return count(x + y)

    @fleche()
    def called(x, y):
        return count(x - y)

    @fleche(version=1)
    def versioned(x, y):
        return count(x * y)

    assert [f(7, 3) for f in (bare, called, versioned, bare, called, versioned)] == [10, 4, 21] * 2
    assert len(RUNS) == 3


def test_a_call_is_one_however_it_is_spelled():
    """Positional, by keyword, with a default left out: one computation."""

    @fleche
    def area(width, height=2):
        return count(width * height)

    assert area(3) == area(width=3) == area(3, 2) == area(height=2, width=3) == 6
    assert len(RUNS) == 1


def test_the_verbs_are_on_the_function_and_under_fleche():
    """``call digest contains load query rerun`` have one meaning at both places."""

    @fleche
    def half(x):
        return count(x / 2)

    for verbs in (half, half.fleche):
        call = verbs.call(9)
        assert (call.name, dict(call.arguments)) == (half.__qualname__, {"x": 9})
        assert verbs.digest(9) == half.key(9)
        assert isinstance(verbs.digest(9), Digest)
    assert not half.contains(9)
    with pytest.raises(KeyError):
        half.fleche.load(9)
    half(9)
    assert half.fleche.contains(9)
    assert half.load(9) == 4.5
    assert [c.result for c in half.fleche.query(9)] == [4.5]
    assert half.rerun(9) == 4.5
    assert len(RUNS) == 2


def test_rerun_reaches_the_cached_functions_inside():
    """Nested cached calls are computed again too."""

    @fleche
    def inner(x):
        return count(x)

    @fleche
    def outer(x):
        return inner(x) + 1

    outer(1)
    outer.rerun(1)
    assert len(RUNS) == 2


def test_the_undecorated_function_is_at_hand():
    """``__wrapped__`` bypasses the cache, and name, doc and signature are kept."""

    @fleche
    def documented(x: int) -> int:
        """Says what it does."""
        return count(x)

    assert documented.__wrapped__(4) == documented.__wrapped__(4) == 4
    assert len(RUNS) == 2
    assert (documented.__name__, documented.__doc__) == ("documented", "Says what it does.")
    assert list(inspect.signature(documented).parameters) == ["x"]


def test_ignored_parameters_do_not_count():
    """By ``ignore=`` and by annotation."""

    @fleche(ignore="log")
    def one(x, log=None):
        return count(x)

    @fleche
    def other(x, log: package.Ignored[object] = None):
        return count(x)

    for function in (one, other):
        RUNS.clear()
        assert function(1, log=[1]) == function(1, log=[2]) == function(1) == 1
        assert len(RUNS) == 1
        assert "log" not in function.query().only().arguments


def test_required_parameters_must_be_given():
    """A call without one of them runs uncached."""

    @fleche(require=("seed",))
    def draw(x, seed=None):
        return count(x)

    with pytest.warns(UncachedWarning, match="seed must be given"):
        draw(1)
    draw(1)
    assert len(RUNS) == 2
    draw(1, seed=3)
    draw(1, seed=3)
    assert len(RUNS) == 3


def test_the_version_counts_unless_told_otherwise():
    """Another version is another key; with ``hash_version=False`` it is not."""

    def make(**options):
        @fleche(**options)
        def f(x):
            return x

        return f

    assert make(version=1).digest(5) != make(version=2).digest(5)
    assert make(version=1, hash_version=False).digest(5) == make(version=2, hash_version=False).digest(5)


def test_the_module_counts_unless_told_otherwise():
    """With ``hash_module=False`` a function that was moved to another module still hits."""
    source = "def f(x):\n    return x + 1\n"

    def at(module, **options):
        space = {"__name__": module}
        exec(compile(source, "<moved>", "exec"), space)
        return fleche(**options)(space["f"])

    assert at("before").digest(1) != at("after").digest(1)
    one, other = at("before", hash_module=False), at("after", hash_module=False)
    assert one.digest(1) == other.digest(1)
    one(1)
    assert other.contains(1)
    assert other.query(1).only().module == ""


def test_without_code_in_the_key_the_module_always_counts():
    """Else two functions of one name would share their results."""

    def at(module, source):
        space = {"__name__": module}
        exec(source, space)
        return fleche(hash_module=False, hash_code=False)(space["f"])

    assert at("a", "def f(x): return 1").digest(0) != at("b", "def f(x): return 2").digest(0)


@pytest.mark.parametrize(("hash_code", "counts"), [(None, True), (True, True), (False, False)])
def test_code_counts_unless_it_is_left_out(hash_code, counts):
    """The old default left it out; now only False does."""

    def at(source):
        space = {"__name__": "somewhere"}
        exec(source, space)
        return fleche(hash_code=hash_code)(space["f"])

    same = at("def f(x): return 1").digest(0) == at("def f(x): return 2").digest(0)
    assert same is not counts


def test_none_is_a_result():
    """It is stored as any other."""

    @fleche
    def nothing(x):
        count(x)

    assert nothing(1) is nothing(1) is None
    assert len(RUNS) == 1


def test_metadata_of_the_decorator_is_noted():
    """``meta=`` adds kinds to those of every call."""

    @fleche(meta=(Tags(origin="lab"),))
    def f(x):
        return x

    f(1)
    noted = f.query().only().metadata
    assert noted["tags"] == {"origin": "lab"}
    assert noted["runtime"]["walltime"] >= 0


def test_tags_and_projects_can_be_asked_for():
    """The calls of a block carry its tags; a query by tags finds them."""

    @fleche
    def add(a, b):
        return a + b

    with tags(phase="fit"), project("one"):
        add(1, 2)
    with tags(phase="test"):
        add(3, 4)
    found = add.query(metadata={"tags": {"project": "one"}}).only()
    assert (found.result, found.arguments["b"]) == (3, 2)
    assert dict(found.arguments) == {"a": 1, "b": 2}
    assert add.query(metadata={"tags": {}}).count() == 2
    assert add.query(None, 4).only().result == 7
    assert add.query(metadata={"tags": {"phase": "fit", "project": "two"}}).empty()


def test_a_digest_stands_for_its_value():
    """A value's digest as an argument: the body gets the value; a prefix of four characters does."""

    @fleche
    def first(x):
        return x + 1

    @fleche
    def second(y):
        return count(y * 2)

    value = first(5)
    whole = digest(value)
    assert second(D(whole)) == second(D(whole[:6])) == second(6) == 12
    assert len(RUNS) == 1


def test_a_digest_that_nobody_has_is_a_key_error():
    """Before the body runs."""

    @fleche
    def f(x):
        return count(x)

    with pytest.raises(KeyError):
        f(D("0" * len(digest(0))))
    assert len(RUNS) == 0


def test_an_isolated_body_has_a_directory_of_its_own(tmp_path, monkeypatch):
    """What it writes beside it is gone afterwards."""
    monkeypatch.chdir(tmp_path)

    @fleche(isolate=True)
    def litter(x):
        with open("scratch", "w") as file:
            file.write(str(x))
        return os.listdir(".")

    assert litter(1) == ["scratch"]
    assert os.listdir(tmp_path) == []


def test_memory_by_name_and_by_object_can_be_active():
    """``with cache(...)`` uses one for a block; ``void`` stores nothing."""

    @fleche
    def f(x):
        return count(x)

    own = Cache(ValueMemory({}), CallMemory({}))
    with cache(own):
        f(1)
        f(1)
    assert own.contains(f.digest(1))
    with cache("void"):
        f(1)
        f(1)
    assert len(RUNS) == 3
    with cache("memory"):
        f(2)
        assert f.contains(2)


def test_a_cached_value_is_looked_at_by_its_digest():
    """``cache().load`` gives the call, with result, arguments and metadata."""

    @fleche
    def f(x):
        return [x]

    f(8)
    call = cache().load(f.digest(8))
    assert (call.result, call.arguments["x"], call.code_digest) == ([8], 8, call.code)
    short = D(f.digest(8)).shrink()
    assert D(short).expand() == f.digest(8)


def test_a_template_finds_calls_in_the_cache():
    """`QueryCall`: None is a wildcard, also for an argument."""
    from fleche.call import QueryCall

    @fleche
    def f(x, y=0):
        return x + y

    @fleche
    def g(z):
        return z

    f(1)
    f(2, 3)
    g(1)
    template = QueryCall(
        name=f.__qualname__, arguments={"x": None, "y": 3}, metadata={}, module=None, version=None, result=None
    )
    assert cache().query(template).only().result == 5
    assert cache().query(QueryCall(name=None, arguments={"x": None})).count() == 3
    assert cache().query(QueryCall(result=5)).only().arguments["y"] == 3
    assert cache().query(QueryCall(name=g.__qualname__)).count() == 1


def test_class_level_metadata_and_options_go_together():
    """Several options at once, as existing code writes them."""

    @fleche(version=3, meta=(Runtime(), Git()), hash_version=True, hash_module=True, require=None, ignore=None)
    def f(x):
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(1) == f(1) == 1
    assert f.query().only().version == 3
