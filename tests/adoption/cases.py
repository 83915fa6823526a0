"""Edits that rename and move functions, as data: files before and after, the function's names, and what is expected.

Each case: its name; files before; the function before; files after; the function after; the call, as text that is
evaluated in the module of the function; whether the stored call is a hit.
"""

from textwrap import dedent

__all__ = ["CASES"]

HEAD = "from fleche import cached\n"
CASES = []


def text(content):
    """Return a module's text."""
    return HEAD + dedent(content)


def case(name, before, old, after, new, hits, call="(1)"):
    """Add one case."""
    before = {file: text(content) for file, content in before.items()}
    after = {file: text(content) for file, content in after.items()}
    CASES.append((name, before, old, after, new, call, hits))


def same(name, content, old, changes, new, hits=True, call="(1)", file="model.py", to=None):
    """Add a case of one module whose text changes by replacements."""
    changed = dedent(content)
    for one, other in changes:
        assert one in changed, (name, one)
        changed = changed.replace(one, other)
    case(name, {file: content}, old, {to or file: changed}, new, hits, call)


PLAIN = """
    @cached
    def fit(x, y=1):
        return ("ran", x + y)
"""
WAS = ("@cached", '@cached(was="fit")')
MOVED = ("@cached", '@cached(was="model.fit")')

same("renamed", PLAIN, "model.fit", [WAS, ("def fit", "def train")], "model.train")
same("renamed without saying so", PLAIN, "model.fit", [("def fit", "def train")], "model.train", hits=False)
same(
    "renamed, of another old name",
    PLAIN,
    "model.fit",
    [("@cached", '@cached(was="other")'), ("def fit", "def train")],
    "model.train",
    hits=False,
)
same("moved", PLAIN, "model.fit", [MOVED], "other.fit", to="other.py")
same("moved without saying so", PLAIN, "model.fit", [], "other.fit", hits=False, to="other.py")
same("moved and renamed", PLAIN, "model.fit", [MOVED, ("def fit", "def train")], "other.train", to="other.py")
same("moved into a package", PLAIN, "model.fit", [MOVED], "pkg.deep.model.fit", to="pkg/deep/model.py")
same(
    "moved out of a package",
    PLAIN,
    "pkg.model.fit",
    [("@cached", '@cached(was="pkg.model.fit")')],
    "model.fit",
    file="pkg/model.py",
    to="model.py",
)
same(
    "module and name with a colon",
    PLAIN,
    "model.fit",
    [("@cached", '@cached(was="model:fit")')],
    "other.fit",
    to="other.py",
)
same(
    "several old names",
    PLAIN,
    "model.fit",
    [("@cached", '@cached(was=("never", "model.fit"))')],
    "other.fit",
    to="other.py",
)
same(
    "renamed, comments and layout too",
    PLAIN,
    "model.fit",
    [WAS, ("def fit", "# better\ndef train"), ("return", '"""Doc."""\n    return')],
    "model.train",
)
same(
    "renamed, and the code changed",
    PLAIN,
    "model.fit",
    [WAS, ("def fit", "def train"), ("x + y", "y + x")],
    "model.train",
    hits=False,
)
same(
    "renamed, and a default changed",
    PLAIN,
    "model.fit",
    [WAS, ("def fit", "def train"), ("y=1", "y=2")],
    "model.train",
    hits=False,
)
same(
    "renamed, and a parameter renamed",
    PLAIN,
    "model.fit",
    [WAS, ("def fit", "def train"), ("y", "z")],
    "model.train",
    hits=False,
)
same(
    "renamed, and the version raised",
    PLAIN,
    "model.fit",
    [("@cached", '@cached(was="fit", version=2)'), ("def fit", "def train")],
    "model.train",
    hits=False,
)

CONSTANT = """
    RATE = 3

    @cached
    def fit(x):
        return x * RATE
"""
same("moved with a constant", CONSTANT, "model.fit", [MOVED], "other.fit", to="other.py")
same(
    "moved, and a constant changed",
    CONSTANT,
    "model.fit",
    [MOVED, ("RATE = 3", "RATE = 4")],
    "other.fit",
    hits=False,
    to="other.py",
)

RECURSIVE = """
    @cached
    def fit(x):
        return 1 if x < 1 else x * fit(x - 1)
"""
same("renamed recursion", RECURSIVE, "model.fit", [WAS, ("fit(x", "train(x")], "model.train")
same(
    "renamed recursion, and the code changed",
    RECURSIVE,
    "model.fit",
    [WAS, ("fit(x", "train(x"), ("x < 1", "x < 2")],
    "model.train",
    hits=False,
)

MUTUAL = """
    def odd(x):
        return x > 0 and fit(x - 1)

    @cached
    def fit(x):
        return x == 0 or odd(x - 1)
"""
same("renamed mutual recursion", MUTUAL, "model.fit", [WAS, ("fit(x", "train(x")], "model.train")
same(
    "renamed recursion through a helper that was renamed too",
    MUTUAL,
    "model.fit",
    [WAS, ("fit(x", "train(x"), ("odd", "uneven")],
    "model.train",
    hits=False,
)

NESTED = """
    @cached
    def fit(x):
        def step(n):
            return n and fit(n - 1)
        return [step(n) for n in range(x)]
"""
same(
    "renamed recursion in a nested function",
    NESTED,
    "model.fit",
    [WAS, ("fit", "train"), ('was="train"', 'was="fit"')],
    "model.train",
)

LOCAL = """
    @cached
    def fit(x):
        train = 3
        return x and train + fit(x - 1)
"""
same(
    "renamed to a name that is a local",
    LOCAL,
    "model.fit",
    [WAS, ("fit(x", "fitted(x"), ("train", "fit")],
    "model.fitted",
    hits=False,
)
same("renamed beside a local", LOCAL, "model.fit", [WAS, ("fit(x", "fitted(x")], "model.fitted")

SHADOW = """
    @cached
    def fit(x):
        return [(lambda fit: fit + 1)(x)]
"""
same("renamed, and a local of the old name stays", SHADOW, "model.fit", [WAS, ("def fit", "def train")], "model.train")

HELPERS = {
    "old_pkg/model.py": """
        from .utils import clean
        from old_pkg import tables

        @cached
        def fit(x):
            return clean(x) + tables.SIZE
    """,
    "old_pkg/utils.py": """
        def clean(x):
            return x + 1
    """,
    "old_pkg/tables.py": "SIZE = 5\n",
}


def package(**changes):
    """Return the files of the package under its new name."""
    files = {
        name.replace("old_pkg", "new_pkg"): content.replace("old_pkg", "new_pkg") for name, content in HELPERS.items()
    }
    files["new_pkg/model.py"] = files["new_pkg/model.py"].replace("@cached", '@cached(was="old_pkg.model.fit")')
    for file, (one, other) in changes.items():
        name = f"new_pkg/{file}.py"
        assert one in files[name]
        files[name] = files[name].replace(one, other)
    return files


case("a renamed package", HELPERS, "old_pkg.model.fit", package(), "new_pkg.model.fit", True)
case(
    "a renamed package, a helper changed",
    HELPERS,
    "old_pkg.model.fit",
    package(utils=("x + 1", "x + 2")),
    "new_pkg.model.fit",
    False,
)
case(
    "a renamed package, a constant of a module changed",
    HELPERS,
    "old_pkg.model.fit",
    package(tables=("5", "6")),
    "new_pkg.model.fit",
    False,
)
case(
    "a renamed package, the helper's comment",
    HELPERS,
    "old_pkg.model.fit",
    package(utils=("x + 1", "x + 1  # one")),
    "new_pkg.model.fit",
    True,
)

INSIDE = """
    @cached
    def fit(x):
        from {pkg}.utils import clean
        import {pkg}.utils as u
        return clean(x) + u.clean(x)
"""
case(
    "imports inside, in a renamed package",
    {"old_pkg/m.py": INSIDE.format(pkg="old_pkg"), "old_pkg/utils.py": HELPERS["old_pkg/utils.py"]},
    "old_pkg.m.fit",
    {
        "new_pkg/m.py": INSIDE.format(pkg="new_pkg").replace("@cached", '@cached(was="old_pkg.m.fit")'),
        "new_pkg/utils.py": HELPERS["old_pkg/utils.py"],
    },
    "new_pkg.m.fit",
    True,
)
case(
    "imports inside, and what is imported changed",
    {"old_pkg/m.py": INSIDE.format(pkg="old_pkg"), "old_pkg/utils.py": HELPERS["old_pkg/utils.py"]},
    "old_pkg.m.fit",
    {
        "new_pkg/m.py": INSIDE.format(pkg="new_pkg").replace("@cached", '@cached(was="old_pkg.m.fit")'),
        "new_pkg/utils.py": HELPERS["old_pkg/utils.py"].replace("+ 1", "+ 2"),
    },
    "new_pkg.m.fit",
    False,
)

NAMED = """
    @cached
    def fit(x):
        return (__name__, x)[1]
"""
same("moved, and it reads its module's name", NAMED, "model.fit", [MOVED], "other.fit", hits=False, to="other.py")
same(
    "moved in a package, and it reads its module's name",
    NAMED,
    "pkg.model.fit",
    [("@cached", '@cached(was="pkg.model.fit")')],
    "pkg.sub.fit",
    file="pkg/model.py",
    hits=False,
    to="pkg/sub.py",
)

OWN = """
    def helper(x):
        return x + 1

    @cached(code="own")
    def fit(x):
        return helper(x)
"""
OWN_WAS = ('code="own"', 'code="own", was="model.fit"')
same("own code, moved and renamed", OWN, "model.fit", [OWN_WAS, ("def fit", "def train")], "other.train", to="other.py")
same("own code, moved, a helper changed", OWN, "model.fit", [OWN_WAS, ("x + 1", "x + 2")], "other.fit", to="other.py")
same(
    "own code, moved, and it changed",
    OWN,
    "model.fit",
    [OWN_WAS, ("return helper(x)", "return helper(x) + 0")],
    "other.fit",
    hits=False,
    to="other.py",
)
NONE_WAS = ('code="own"', 'code=None, was="model.fit"')
same(
    "no code, moved, and it changed",
    OWN.replace('code="own"', "code=None"),
    "model.fit",
    [("code=None", 'code=None, was="model.fit"'), ("return helper(x)", "return helper(x) + 0")],
    "other.train"[:6] + "fit",
    to="other.py",
)
same(
    "code that was not in the key is now",
    OWN.replace('code="own"', "code=None"),
    "model.fit",
    [("code=None", 'was="model.fit"')],
    "other.fit",
    hits=False,
    to="other.py",
)

METHOD = """
    from dataclasses import dataclass

    @dataclass
    class Trainer:
        rate: int = 2

        def step(self, x):
            return x * self.rate

        @cached
        def fit(self, x):
            return self.step(x)

    def run(x):
        return Trainer().fit(x)
    trainer = Trainer()
"""
METHOD_WAS = ("@cached", '@cached(was="model.Trainer.fit")')
same("a method of a moved class", METHOD, "model.trainer.fit", [METHOD_WAS], "other.trainer.fit", to="other.py")
same(
    "a method of a renamed class",
    METHOD,
    "model.trainer.fit",
    [METHOD_WAS, ("Trainer", "Coach"), ("model.Coach", "model.Trainer")],
    "model.trainer.fit",
)
same(
    "a renamed method",
    METHOD,
    "model.trainer.fit",
    [("@cached", '@cached(was="fit")'), ("def fit", "def train")],
    "model.trainer.train",
)
same(
    "a method of a moved class, another method changed",
    METHOD,
    "model.trainer.fit",
    [METHOD_WAS, ("x * self", "x + self")],
    "other.trainer.fit",
    hits=False,
    to="other.py",
)
same(
    "a method of a renamed class, another method changed",
    METHOD,
    "model.trainer.fit",
    [METHOD_WAS, ("Trainer", "Coach"), ("model.Coach", "model.Trainer"), ("x * self", "x + self")],
    "model.trainer.fit",
    hits=False,
)
same(
    "a method of a renamed class, another state",
    METHOD,
    "model.trainer.fit",
    [METHOD_WAS, ("Trainer", "Coach"), ("model.Coach", "model.Trainer"), ("Coach()\n", "Coach(3)\n")],
    "model.trainer.fit",
    hits=False,
)

PRIVATE = """
    class Trainer:
        def __init__(self):
            self.__rate = 2

        def __double(self, x):
            return x * self.__rate

        @cached
        def fit(self, x):
            return self.__double(x)

    trainer = Trainer()
"""
same("private names in a moved class", PRIVATE, "model.trainer.fit", [METHOD_WAS], "other.trainer.fit", to="other.py")

CONFIG = """
    from dataclasses import dataclass
    from enum import Enum

    class Kind(Enum):
        A = 1
        B = 2

    @dataclass(frozen=True)
    class Config:
        units: int = 4
        kind: Kind = Kind.A

        def double(self):
            return self.units * 2

    @cached
    def fit(cfg, x=1):
        return cfg.double() * x
"""
same("an argument of a moved class", CONFIG, "model.fit", [MOVED], "other.fit", call="(Config())", to="other.py")
same(
    "an argument of a moved class in containers",
    CONFIG.replace("cfg.double()", "cfg[0]['a'].double()"),
    "model.fit",
    [MOVED],
    "other.fit",
    call="([{'a': Config()}])",
    to="other.py",
)
same(
    "an argument of a moved class, whose method changed",
    CONFIG,
    "model.fit",
    [MOVED, ("units * 2", "units * 3")],
    "other.fit",
    hits=False,
    call="(Config())",
    to="other.py",
)
same(
    "an argument of a moved class, whose field changed",
    CONFIG,
    "model.fit",
    [MOVED, ("units: int = 4", "units: int = 5")],
    "other.fit",
    hits=False,
    call="(Config())",
    to="other.py",
)
same(
    "an argument of a class that was renamed",
    CONFIG,
    "model.fit",
    [MOVED, ("Config", "Settings")],
    "other.fit",
    hits=False,
    call="(Settings() if 'Settings' in globals() else Config())",
    to="other.py",
)
same(
    "a member of a moved enumeration",
    CONFIG.replace("cfg.double()", "cfg.value"),
    "model.fit",
    [MOVED],
    "other.fit",
    call="(Kind.A)",
    to="other.py",
)

ASYNC = """
    @cached
    async def fit(x):
        return x
"""
same("a coroutine function, renamed", ASYNC, "model.fit", [WAS, ("def fit", "def train")], "model.train")
GENERATOR = """
    @cached
    def fit(x):
        yield x
        yield x + 1
"""
same("a generator function, renamed", GENERATOR, "model.fit", [WAS, ("def fit", "def train")], "model.train")

DECORATED = """
    import functools

    def twice(function):
        @functools.wraps(function)
        def inner(x):
            return function(x), function(x)
        return inner

    @cached
    @twice
    def fit(x):
        return x
"""
same("a decorated function, renamed", DECORATED, "model.fit", [WAS, ("def fit", "def train")], "model.train")
same(
    "a decorated function, renamed, the decorator changed",
    DECORATED,
    "model.fit",
    [WAS, ("def fit", "def train"), ("function(x), function(x)", "function(x), 1")],
    "model.train",
    hits=False,
)

LOGGED = """
    import logging

    log = logging.getLogger(__name__)

    class Failed(Exception):
        pass

    @cached
    def fit(x):
        if x < 0:
            raise Failed(x)
        log.info("fit %s", x)
        return x
"""
same("moved with a logger and an exception", LOGGED, "model.fit", [MOVED], "other.fit", to="other.py")

TABLE = """
    def double(x):
        return 2 * x

    TABLE = {"double": double}

    @cached
    def fit(x):
        return TABLE["double"](x)
"""
same("moved with a table of functions", TABLE, "model.fit", [MOVED], "other.fit", to="other.py")
same(
    "moved with a table of functions, one changed",
    TABLE,
    "model.fit",
    [MOVED, ("2 * x", "3 * x")],
    "other.fit",
    hits=False,
    to="other.py",
)

MADE = '''
exec("""
def fit(x):
    return x and fit(x - 1)
""".replace("fit", NAME), globals())
'''
same(
    "without source, renamed",
    "NAME = 'fit'\n" + MADE + "fit = cached(fit)\n",
    "model.fit",
    [("NAME = 'fit'", "NAME = 'train'"), ("fit = cached(fit)", "train = cached(was='fit')(train)")],
    "model.train",
)

CHAIN = """
    import model

    @cached
    def fit(x):
        return x and model.fit(x - 1)
"""
same("renamed recursion through its own module", CHAIN, "model.fit", [WAS, ("fit(x", "train(x")], "model.train")

SWAP = """
    @cached
    def fit(x):
        return ("one", x)

    @cached
    def train(x):
        return ("two", x)
"""
SWAPPED = """
    @cached(was="fit")
    def train(x):
        return ("one", x)

    @cached(was="train")
    def fit(x):
        return ("two", x)
"""
case(
    "two functions that traded their names: one",
    {"model.py": SWAP},
    "model.fit",
    {"model.py": SWAPPED},
    "model.train",
    True,
)
case(
    "two functions that traded their names: the other",
    {"model.py": SWAP},
    "model.train",
    {"model.py": SWAPPED},
    "model.fit",
    True,
)
case("a new function under an old name", {"model.py": SWAP}, "model.fit", {"model.py": SWAPPED}, "model.fit", False)

OTHER = """
    def train(x):
        return -x

    @cached(code="own")
    def fit(x):
        return x and train(x - 1)
"""
same(
    "own code: a call of another function is no recursion",
    OTHER,
    "model.fit",
    [("def train", "def unused"), ('code="own"', 'code="own", was="fit"'), ("def fit", "def train")],
    "model.train",
    hits=False,
)
same(
    "own code: a recursion is no call of another function",
    OTHER.replace("train(x - 1)", "fit(x - 1)").replace("def train", "def other"),
    "model.fit",
    [("def fit", "def train"), ("def other", "def fit"), ('code="own"', 'code="own", was="fit"')],
    "model.train",
    hits=False,
)
same(
    "the old name is a helper's now",
    """
    @cached
    def fit(x):
        return x and fit(x - 1)
    """,
    "model.fit",
    [WAS, ("def fit", "def train"), ("\n@cached", "\ndef fit(x):\n    return 5\n\n@cached")],
    "model.train",
    hits=False,
)
CLOSED = """
    def make():
        @cached
        def fit(x):
            return x and fit(x - 1)
        return fit

    made = make()
"""
same(
    "recursion in a closure",
    CLOSED,
    "model.made",
    [
        ("@cached", '@cached(was="fit")'),
        ("def fit", "def train"),
        ("fit(x - 1)", "train(x - 1)"),
        ("return fit\n", "return train\n"),
    ],
    "model.made",
)
same(
    "a closure in a moved module",
    CLOSED,
    "model.made",
    [("@cached", '@cached(was="model.make.<locals>.fit")')],
    "other.made",
    to="other.py",
)
BOTH = {
    "model.py": """
    from dataclasses import dataclass

    @dataclass
    class Config:
        units: int = 4

    @cached
    def fit(one, two):
        return one.units + two.units
    """
}
case(
    "an argument of the old class beside one of the new",
    BOTH,
    "model.fit",
    {
        "model.py": BOTH["model.py"],
        "other.py": BOTH["model.py"].replace("@cached", '@cached(was="model.fit")'),
    },
    "other.fit",
    False,
    call="(Config(1), __import__('model').Config(2))",
)
case(
    "arguments of the new class, the old one being there still",
    BOTH,
    "model.fit",
    {
        "model.py": BOTH["model.py"],
        "other.py": BOTH["model.py"].replace("@cached", '@cached(was="model.fit")'),
    },
    "other.fit",
    True,
    call="(Config(1), Config(2))",
)
PAIR = """
    def fit(x):
        return ("helper", x)

    @cached
    def train(x):
        return fit(x)
"""
same(
    "a caller takes the name of its helper",
    PAIR,
    "model.train",
    [("def fit", "def train"), ("@cached\ndef train", '@cached(was="train")\ndef fit'), ("return fit", "return train")],
    "model.fit",
    hits=False,
)
same(
    "a helper's name was the function's",
    PAIR,
    "model.train",
    [("@cached\ndef train", '@cached(was="fit")\ndef train')],
    "model.train",
    hits=True,
)
