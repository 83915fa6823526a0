"""What `why` and `plan` tell of functions that were moved, extended, edited, or edited back."""

import fleche
from fleche import migrate
from fleche.memo.explain import Cause

FIRST = """
from fleche import cached

RATE = 2

def clean(x):
    return x + 1

@cached
def fit(x):
    return clean(x) * RATE
"""
CLEANER = FIRST.replace("x + 1", "1 + x")


def moved(text):
    """The text as it is in another module."""
    return text.replace("@cached", "@cached(was='model.fit')")


def test_an_edit_after_a_move(project, store):
    """Is told as an edit of the helper, with a diff, not as another helper; accepting names it, too."""
    project.load("model", **{"model.py": FIRST}).fit(1)
    fit = project.load("study", **{"study.py": moved(CLEANER), "model.py": None}).fit
    why = fit.why(1)
    assert [change.text for change in why.code] == ["study.clean was edited"]
    assert why.code[0].diff == "-    return x + 1\n+    return 1 + x"
    assert "if this edit changes no result: fit.accept()" in str(why)
    assert fit.accept("clean").calls == 1
    assert fit.accept().changes[0].changed == ("study.clean",)


def test_an_edit_of_what_was_moved_itself(project, store):
    """Is told as such."""
    project.load("model", **{"model.py": FIRST}).fit(1)
    text = moved(FIRST).replace("clean(x) * RATE", "RATE * clean(x)")
    why = project.load("study", **{"study.py": text, "model.py": None}).fit.why(1)
    assert [str(change) for change in why.code] == ["study.fit was edited"]


def test_a_parameter_that_was_added(project, store):
    """Is no cause where the call has the value that was meant; without ``added`` the option is named."""
    project.load("model", **{"model.py": FIRST}).fit(1)
    extended = FIRST.replace("def fit(x)", "def fit(x, seed=0)")
    why = project.load("model", **{"model.py": extended}).fit.why(1)
    assert why.cause is Cause.ARGUMENT
    assert "@cached(added={'seed': ...})" in str(why)
    fit = project.load("model", **{"model.py": extended.replace("@cached", "@cached(added={'seed': 0})")}).fit
    assert {reason.kind for reason in fit.why(1).causes} == {Cause.CODE}
    assert "if this edit changes no result: fit.accept()" in str(fit.why(1))
    assert fit.why(1, seed=3).cause is Cause.ARGUMENT
    (group,) = fit.plan([1]).causes
    assert group.kind is Cause.CODE


def test_what_was_tried_and_taken_back_is_not_told(project, store):
    """Of the calls with the same arguments the one counts whose code differs least, not the one that ran last."""
    for text in (FIRST, CLEANER, FIRST.replace("x + 1", "x - 1")):
        project.load("model", **{"model.py": text}).fit(1)
    fit = project.load("model", **{"model.py": FIRST.replace("RATE = 2", "RATE = 3")}).fit
    assert [change.name for change in fit.why(1).code] == ["RATE"]


def test_a_plan_knows_earlier_names(project, store):
    """Its causes and its estimate look at calls under them."""
    fit = project.load("model", **{"model.py": FIRST}).fit
    fit(1), fit(2)
    fit = project.load("study", **{"study.py": moved(FIRST), "model.py": None}).fit
    plan = fit.plan([1, 2, 3])
    assert (plan.hits, plan.misses) == (2, 1)
    assert plan.seconds is not None
    plan = project.load("study", **{"study.py": moved(CLEANER)}).fit.plan([1, 2, 3])
    assert {(group.kind, group.count) for group in plan.causes} == {(Cause.CODE, 2), (Cause.NEVER, 1)}
    assert "study.clean was edited" in str(plan)


def test_nothing_to_accept_says_where_it_looked(project, store):
    """A function that was renamed without ``was`` has no calls, and that is what is said."""
    project.load("model", **{"model.py": FIRST}).fit(1)
    fit = project.load("model", **{"model.py": FIRST.replace("def fit", "def train")}).train
    told = str(migrate(fit))
    assert "no call is stored" in told
    assert "was=" in told
    assert fleche.migrate(fit).counts == {}
