"""Acceptance and ``added``: old calls count for edited code when somebody says so, for that edit, and no longer."""

import pytest

import fleche
from fleche import cache, cached, mode
from fleche.caches import Cache, CachePool, CacheStack
from fleche.digest import digest
from fleche.errors import MissError, Rejected, SaveError, UnknownDigestError
from fleche.storage.memory import MemoryStore

FIRST = """
from fleche import cached

RATE = 2

def clean(x):
    return x + 1

def other(x):
    return x

@cached
def fit(x):
    return ("first", clean(x) * RATE, other(x))[0]
"""
CLEANER = ("x + 1", "1 + x")
ROUNDER = ("return x\n", "return +x\n")


def edited(text, *changes):
    """Return a text with replacements."""
    for one, other in changes:
        assert one in text
        text = text.replace(one, other)
    return text


def load(project, text):
    """Import the project's one module anew, with this text."""
    return project.load("model", **{"model.py": text})


def hits(function, *args, **kwargs):
    """Whether a call is answered from the store."""
    before = function.info().misses
    function(*args, **kwargs)
    return function.info().misses == before


def test_an_edit_is_accepted_and_withdrawn(project, store):
    """Nothing is done before it is confirmed; afterwards the calls are hits, until it is withdrawn."""
    fit = load(project, FIRST).fit
    fit(1), fit(2)
    records = {call.key: call.record for call in store.query().all()}
    fit = load(project, edited(FIRST, CLEANER)).fit
    report = fit.accept()
    assert (report.calls, len(report)) == (2, 1)
    assert report.changes[0].changed == ("model.clean",)
    assert not fit.contains(1)
    (said,) = report.confirm()
    assert said.function == "model.fit"
    assert "@" in said.who
    assert fit.contains(1)
    assert fit(1) == "first"
    assert fit.load(2) == "first"
    assert hits(fit, 2)
    assert {call.key: call.record for call in store.query().all()} == records
    (edit,) = fit.accepted
    assert (edit.old, edit.new, edit.who) == (said.old, said.new, said.who)
    assert edit.withdraw()
    assert not edit.withdraw()
    assert not fit.contains(1)
    assert not hits(fit, 1)


def test_the_next_edit_misses(project, store):
    """An acceptance is of two fingerprints, and of no third."""
    load(project, FIRST).fit(1)
    fit = load(project, edited(FIRST, CLEANER)).fit
    fit.accept().confirm()
    assert fit.contains(1)
    fit = load(project, edited(FIRST, CLEANER, ("RATE = 2", "RATE = 3"))).fit
    assert not fit.contains(1)


def test_acceptances_follow_each_other(project, store):
    """What counts for the second code, and the second for the third, counts for the third."""
    load(project, FIRST).fit(1)
    fit = load(project, edited(FIRST, CLEANER)).fit
    fit.accept().confirm()
    fit(2)
    fit = load(project, edited(FIRST, CLEANER, ROUNDER)).fit
    assert fit.accept("model.other").calls == 1
    fit.accept("other").confirm()
    assert fit.contains(2)
    assert fit.contains(1)
    assert {row["state"] for row in fit.accept().rows()} == {"accepted"}
    assert fit.withdraw() == 2
    assert not fit.contains(1)


def test_an_acceptance_has_a_direction(project, store):
    """Calls of the new code do not count for the old when the edit is undone."""
    load(project, FIRST).fit(1)
    fit = load(project, edited(FIRST, CLEANER)).fit
    fit.accept().confirm()
    fit(2)
    fit = load(project, FIRST).fit
    assert fit.contains(1)
    assert not fit.contains(2)


def test_edits_that_go_round_end(project, store):
    """Accepted there and back, each counts for the other, and the search ends."""
    load(project, FIRST).fit(1)
    fit = load(project, edited(FIRST, CLEANER)).fit
    fit.accept().confirm()
    fit(2)
    fit = load(project, FIRST).fit
    fit.accept().confirm()
    assert fit.contains(1)
    assert fit.contains(2)
    assert not fit.contains(3)


def test_only_what_was_named(project, store):
    """A name limits it to fingerprints in which nothing else differs."""
    load(project, FIRST).fit(1)
    load(project, edited(FIRST, ROUNDER)).fit(2)
    fit = load(project, edited(FIRST, ROUNDER, CLEANER)).fit
    assert fit.accept().calls == 2
    report = fit.accept("clean")
    assert report.calls == 1
    assert fit.accept("clean", "other").calls == 2
    assert fit.accept("lean").calls == 0
    assert "only lean was edited" in str(fit.accept("lean"))
    assert report.only(report.changes[0].code[:8]).calls == 1
    assert report.only("00").calls == 0
    report.confirm()
    assert fit.contains(2)
    assert not fit.contains(1)


def test_what_was_edited_is_named(project, store):
    """Functions, constants and the function itself, by their names."""
    load(project, FIRST).fit(1)
    for change, names in [
        (("RATE = 2", "RATE = 4"), ("RATE",)),
        (("[0]", "[-3]"), ("model.fit",)),
        (CLEANER, ("model.clean",)),
        (("@cached", "@cached(strict=True)"), None),
    ]:
        fit = load(project, edited(FIRST, change)).fit
        report = fit.accept()
        assert (report.changes[0].changed if report else None) == names
        assert names is None or names[0] in str(report)
        assert "<table" in (report._repr_html_() or "")


def test_other_functions_are_left_alone(project, store):
    """An acceptance for one function brings back nothing of another that has the same helper."""
    text = FIRST + "\n@cached\ndef train(x):\n    return clean(x)\n"
    module = load(project, text)
    module.fit(1), module.train(1)
    module = load(project, edited(text, CLEANER))
    module.fit.accept().confirm()
    assert module.fit.contains(1)
    assert not module.train.contains(1)
    assert len(module.train.accepted) == 0
    assert module.train.withdraw() == 0
    assert module.fit.contains(1)


def test_the_time_to_live_is_that_of_the_old_call(project, store):
    """Age, checks and failures are of the record that answers."""
    text = edited(FIRST, ("@cached", "@cached(valid_if=lambda call: call.arguments['x'] != 2)"))
    fit = load(project, text).fit
    fit(1), fit(2)
    fit = load(project, edited(text, CLEANER)).fit
    fit.accept().confirm()
    assert fit.contains(1)
    assert not fit.contains(2)
    assert not hits(fit, 2)
    fit = load(project, edited(text, CLEANER, ("@cached(", "@cached(ttl=0, "))).fit
    assert not fit.contains(1)


def test_a_record_of_its_own_decides(project, store):
    """A newer result that is refused or has expired is not replaced by an older one of other code."""
    text = edited(
        FIRST,
        ("@cached", "@cached(valid_if=lambda call: call.record.code == OLD)"),
        ("RATE = 2", "RATE = 2\nOLD = None"),
    )
    module = load(project, text)
    first = module.fit.code.digest
    module.OLD = first
    module.fit(1), module.fit(2)
    module = load(project, edited(text, CLEANER))
    module.OLD = first
    module.fit.accept().confirm()
    assert module.fit.contains(1)
    module.fit.rerun(1)
    assert not module.fit.contains(1)
    assert not hits(module.fit, 1)
    assert hits(module.fit, 2)


def test_the_other_verbs(project, store):
    """`ref`, `forget`, `rerun`, `load` and modes of a call that an old record answers."""
    load(project, FIRST).fit(1)
    fit = load(project, edited(FIRST, CLEANER)).fit
    with pytest.raises(UnknownDigestError):
        fit.load(1)
    fit.accept().confirm()
    with mode("frozen"):
        assert fit(1) == "first"
        with pytest.raises(MissError):
            fit(7)
    handle = fit.ref(1)
    assert handle.load() == "first"
    assert store.load(handle.origin).record.code != fit.code.digest
    assert store.lookup(fit.key(1)) is None
    fit.rerun(1)
    assert store.lookup(fit.key(1)) is not None
    assert fit.calls.count() == 2
    assert fit.forget(1)
    assert not fit.contains(1)
    assert not fit.forget(1)
    assert fit.calls.count() == 0


ADDED = """
from fleche import cached

@cached(added={"seed": 42})
def fit(x, seed=42):
    return x, seed
"""
BARE = """
from fleche import cached

@cached
def fit(x):
    return x, 42
"""


def test_a_parameter_that_was_added(project, store):
    """Old calls are those with the value that they meant, once the edit is accepted; and no others."""
    load(project, BARE).fit(1)
    fit = load(project, ADDED).fit
    assert not fit.contains(1)
    report = fit.accept()
    assert report.calls == 1
    assert report.changes[0].lacks == ("seed",)
    assert "without seed" in str(report)
    report.confirm()
    assert fit.contains(1)
    assert fit.contains(1, 42)
    assert fit.contains(1, seed=42)
    assert not fit.contains(1, 43)
    assert not fit.contains(1, 42.0)
    assert not fit.contains(1, True)
    assert fit.accepted[0].added == ("seed",)
    fit = load(project, edited(ADDED, ("return x, seed", "return x, seed + 0"))).fit
    assert not fit.contains(1)


def test_what_was_accepted_holds_for_what_was_declared(project, store):
    """Another value in ``added`` than the one that was accepted, or none, brings nothing back."""
    load(project, BARE).fit(1)
    load(project, ADDED).fit.accept().confirm()
    for added in ('{"seed": 43}', "{}"):
        fit = load(project, edited(ADDED, ('{"seed": 42}', added))).fit
        assert not fit.contains(1, 42)
        assert not fit.contains(1, 43)
    assert load(project, ADDED).fit.contains(1)


def test_a_default_that_is_not_what_was_meant(project, store):
    """The bound value decides, not the default."""
    load(project, BARE).fit(1)
    fit = load(project, edited(ADDED, ("seed=42)", "seed=0)"))).fit
    fit.accept().confirm()
    assert not fit.contains(1)
    assert fit.contains(1, 42)


def test_without_code_in_the_key_it_works_at_once(project, store):
    """There nobody is asked, as nobody is about edits."""
    load(project, edited(BARE, ("@cached", "@cached(code=None)"))).fit(1)
    fit = load(project, edited(ADDED, ("@cached(", "@cached(code=None, "))).fit
    assert fit.contains(1)
    assert not fit.contains(1, 43)
    assert fit(1) == (1, 42)
    assert [row["state"] for row in fit.accept().rows()] == ["added"]


def test_two_parameters_one_after_the_other(project, store):
    """Calls of both ages count, each for what it lacks."""
    load(project, BARE).fit(1)
    fit = load(project, ADDED).fit
    fit.accept().confirm()
    fit(2)
    text = edited(ADDED, ('{"seed": 42}', '{"seed": 42, "n": 1}'), ("seed=42)", "seed=42, n=1)"))
    fit = load(project, text).fit
    assert fit.accept().calls == 2
    fit.accept().confirm()
    assert fit.contains(1)
    assert fit.contains(2)
    assert not fit.contains(1, n=2)
    assert not fit.contains(1, seed=1)


def test_more_keywords_swallow_nothing(project, store):
    """What ``**kwargs`` took before is a call of its own; a name that only they take cannot be added."""
    old = edited(BARE, ("fit(x)", "fit(x, **more)"), ("x, 42", "x, more.get('seed', 7)"))
    fit = load(project, old).fit
    assert fit(1, seed=42) == (1, 42)
    assert fit(1) == (1, 7)
    fit = load(project, edited(ADDED, ("42})", "7})"), ("seed=42)", "seed=7)"))).fit
    fit.accept().confirm()
    assert fit(1, seed=42) == (1, 42)
    assert fit(1) == (1, 7)
    assert fit.info().misses == 0
    with pytest.raises(TypeError, match="no parameter 'seed' of its own"):
        cached(added={"seed": 1})(lambda x, **seed: x)
    with pytest.raises(TypeError, match="no parameter 'seed' of its own"):
        cached(added={"seed": 1})(lambda x, **more: x)


def test_options_are_checked():
    """Where the function is decorated."""
    with pytest.raises(TypeError, match="ignored"):
        cached(added={"seed": 1}, ignore="seed")(lambda x, seed=1: x)
    with pytest.raises(TypeError, match="give what old calls meant"):
        cached(added=("seed",))
    for name in ("", "a..b", "a b", "a:b:", 3):
        with pytest.raises((ValueError, TypeError), match="was"):
            cached(was=(name,))


def test_calls_that_no_acceptance_brings_back_say_why(project, store):
    """Another version, a parameter that is gone, or one that nobody said the meaning of."""
    load(project, edited(BARE, ("fit(x)", "fit(x, gone=1)"))).fit(1)
    load(project, edited(BARE, ("@cached", "@cached(version=2)"))).fit(1)
    load(project, BARE).fit(1)
    fit = load(project, edited(ADDED, ('added={"seed": 42}', ""))).fit
    report = fit.accept()
    assert report.calls == 0
    reasons = {row["why"] for row in report.rows()}
    assert any("gone" in reason for reason in reasons)
    assert any("version 2" in reason for reason in reasons)
    assert any("added={'seed': ...}" in reason for reason in reasons)


CONFIGURED = """
from dataclasses import dataclass
from fleche import cached

@dataclass
class Config:
    units: int = 2

    def double(self):
        return self.units * 2

@cached
def fit(cfg):
    return cfg.double()

class Trainer:
    @cached
    def run(self, x):
        return x * 2
"""


def test_code_that_arguments_bring(project, store):
    """Methods of the classes of arguments are code too, and their edits are accepted with the function's."""
    module = load(project, CONFIGURED)
    module.fit(module.Config())
    module.Trainer().run(1)
    module = load(project, edited(CONFIGURED, ("self.units * 2", "2 * self.units"), ("x * 2", "2 * x")))
    assert not module.fit.contains(module.Config())
    report = module.fit.accept()
    assert report.calls == 1
    assert report.changes[0].changed == ("model.Config.double",)
    report.confirm()
    assert module.fit.contains(module.Config())
    assert not module.fit.contains(module.Config(3))
    assert module.Trainer().run.accept().calls == 1
    module.Trainer().run.accept().confirm()
    assert module.Trainer().run.contains(1)
    module = load(project, edited(CONFIGURED, ("Config", "Settings")))
    assert "Config, which is not loaded here" in str(module.fit.accept())


def test_renamed_and_edited(project, store):
    """An edit under an old name is accepted too; what is accepted before a renaming holds after it."""
    load(project, FIRST).fit(1)
    module = load(project, edited(FIRST, ("@cached", '@cached(was="fit")'), ("def fit", "def train"), CLEANER))
    assert not module.train.contains(1)
    report = module.train.accept()
    assert report.changes[0].function == "model.fit"
    assert report.changes[0].changed == ("model.clean",)
    report.confirm()
    assert module.train.contains(1)
    assert module.train.calls.count() == 1
    text = edited(FIRST, ("@cached", '@cached(was=("train", "fit"))'), ("def fit", "def learn"), CLEANER)
    learn = load(project, text).learn
    assert learn.contains(1)
    assert [row["state"] for row in learn.accept().rows()] == ["accepted"]
    assert len(learn.accepted) == 1


def test_an_overview(project, store):
    """`migrate` says of each function what is brought back, and by what."""
    module = load(project, FIRST)
    module.fit(1)
    module = load(project, edited(FIRST, ("@cached", '@cached(was="fit")'), ("def fit", "def train")))
    module.train(2)
    found = fleche.migrate(module.train)
    assert found.counts == {"current": 1, "was": 1}
    assert {row["of"] for row in found.rows()} == {"model.train"}
    assert "model.fit" in str(found)
    assert "<table" in found._repr_html_()
    with pytest.raises(TypeError, match="@cached"):
        fleche.migrate(len)


def test_caches_that_cannot(project):
    """A read-only cache refuses, one without a place for it says so, and a stack uses the first that can."""
    near, far = (Cache(made.values, made.calls) for made in (MemoryStore(), MemoryStore()))
    pair = Cache(MemoryStore().values, MemoryStore().calls)
    with cache(far):
        load(project, FIRST).fit(1)
    fit = load(project, edited(FIRST, CLEANER)).fit
    with cache(far.readonly()), pytest.raises(Rejected):
        fit.accept().confirm()
    with cache(pair):
        load(project, FIRST).fit(1)
        fit = load(project, edited(FIRST, CLEANER)).fit
        with pytest.raises(SaveError, match="keeps no acceptances"):
            fit.accept().confirm()
        assert not fit.contains(1)
    with cache(CacheStack((near, far))):
        assert fit.accept().calls == 1
        fit.accept().confirm()
        assert fit.contains(1)
        assert fit(1) == "first"
    assert (len(near.acceptances()), len(far.acceptances())) == (1, 0)
    with cache(CachePool((near, far))):
        assert fit.contains(1)
        with pytest.raises(Rejected):
            fit.withdraw()
    with cache(near.filter(lambda call: False)):
        assert not fit.contains(1)


def test_a_store_that_fails_does_not_fail_the_call(project):
    """What was accepted cannot be read: the call runs, with one warning."""

    class Broken(Cache):
        def acceptances(self, new=None):
            raise OSError("broken")

    made = MemoryStore()
    fit = load(project, FIRST).fit
    with cache(Broken(made.values, made.calls)):
        with pytest.warns(fleche.errors.UncachedWarning, match="as it was before"):
            assert fit(1) == "first"
        assert fit(1) == "first"
        assert fit.info().misses == 1


def test_nothing_is_found_by_arguments_of_another_order(project, store):
    """Parameters that traded places are other calls."""
    old = edited(BARE, ("fit(x)", "fit(x, y)"), ("x, 42", "x, y"))
    load(project, old).fit(1, 2)
    fit = load(project, edited(old, ("fit(x, y)", "fit(y, x)"))).fit
    fit.accept().confirm()
    assert not fit.contains(1, 2)
    assert fit.info().misses == 0
    assert digest(1) != digest(2)
