"""The walk over a value: an explicit stack, so that depth is bounded by memory only."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from types import FunctionType
from typing import Any

from fleche.digest import _format as f
from fleche.digest.algorithm import Algorithm, chosen
from fleche.digest.plan import Plan
from fleche.digest.refusals import Holder, Refusal, indigestible
from fleche.digest.registry import Registry, Standing
from fleche.digest.runs import run
from fleche.digest.scalars import FRAMES
from fleche.digest.text import Digest
from fleche.digest.trace import REACH, Trace
from fleche.errors import FlecheError

__all__ = [
    "DEFAULT",
    "D",
    "Walk",
    "digest",
    "digest_class",
    "examine",
    "register_digest",
    "stored_digest",
    "stored_trace",
    "traced",
]

DEFAULT = Registry()

BUDGET = 20_000
"""How many times objects in a web of cycles may be walked again before the value is refused."""

DEPTH = 1_000_000
"""How deep a value may be nested."""


def digest(value: Any, *, name: str = "value") -> Digest:
    """Return the content address of a value.

    Equal values of the same types, all the way down, have one digest: in every process, on every platform, whatever
    they share inside. The order of dicts and sets does not count. The bytes that are hashed are specified in
    ``docs/formats/digest.md``.

    Args:
        value: Anything whose content can be told. A `Digest` is the digest of the value that it stands for.
        name: How the value is called in an error.

    Raises:
        Indigestible: Something in the value has no digest; the error names the path to it.

    Thread-safe. A value that another thread changes meanwhile gives the digest of some mixture, or raises.

    >>> digest({"a": 1, "b": [1.5, None]}) == digest({"b": [1.5, None], "a": 1})
    True
    >>> digest(1) == digest(1.0)
    False
    """
    scalar = FRAMES.get(type(value))
    if scalar is not None:
        return Digest.from_bytes(chosen().hash(scalar(value)))
    return Digest.from_bytes(Walk(DEFAULT, chosen(), name).digest(value))


def examine(value: Any, *, name: str = "value") -> tuple[Digest, bool, AbstractSet[type]]:
    """Return the digest of a value, whether a `Digest` inside it stands for a part of it, and the types in it.

    Plain builtins may be missing among the types.

    Raises:
        Indigestible: Something in the value has no digest; the error names the path to it.
    """
    scalar = FRAMES.get(type(value))
    if scalar is not None:
        return Digest.from_bytes(chosen().hash(scalar(value))), False, frozenset()
    walk, raw = _walked(value, name)
    return Digest.from_bytes(raw), walk.refers, walk.types


def traced(value: Any, *, name: str = "value") -> tuple[Digest, bool, AbstractSet[type], Trace | None]:
    """Return what `examine` does, and what the walk met near the top of the value, unless it is a scalar.

    Raises:
        Indigestible: Something in the value has no digest; the error names the path to it.
    """
    scalar = FRAMES.get(type(value))
    if scalar is not None:
        return Digest.from_bytes(chosen().hash(scalar(value))), False, frozenset(), None
    walk, raw = _walked(value, name)
    return Digest.from_bytes(raw), walk.refers, walk.types, walk.trace(value, raw)


def _walked(value: Any, name: str) -> tuple[Walk, bytes]:
    """Return the walk over a value and its raw digest; what the functions in it captured is checked.

    Raises:
        Indigestible: Something of it has no digest.
    """
    walk = Walk(DEFAULT, chosen(), name)
    raw = walk.digest(value)
    if walk.holding:
        from fleche.digest.code.captured import check_captured  # which digests values: each needs the other

        for path, function in walk.holding:
            check_captured(path, function)
    return walk, raw


def stored_digest(value: Any, *, name: str = "value") -> tuple[Digest, AbstractSet[type]]:
    """Return the digest under which a value is stored, and the types in it: its own digest, unless a `Digest` is in it.

    There a `Digest` counts as itself. Under the value's own digest it would be taken for a value that has in these
    places what the digests stand for.

    Raises:
        Indigestible: Something in the value has no digest; the error names the path to it.
    """
    return stored_trace(value, name=name)[:2]


def stored_trace(value: Any, *, name: str = "value") -> tuple[Digest, AbstractSet[type], Trace | None]:
    """Return what `stored_digest` does, and what `traced` does, unless there is a `Digest` in the value.

    Raises:
        Indigestible: Something in the value has no digest; the error names the path to it.
    """
    known, refers, types, trace = traced(value, name=name)
    if refers:
        known = Digest.from_bytes(Walk(DEFAULT, chosen(), name, literal=True).digest(value))
    return known, types, None if refers else trace


def register_digest(kind: type | str, function: Callable[[Any], Any], *, subclasses: bool = False) -> None:
    """Say what identifies values of a type.

    The digest of such a value is that of its class and of what the function returns. It takes effect in this process;
    a package does the same for its users by an entry point in the group ``fleche.digest`` whose name is the qualified
    name of the type. A class of your own can have a method ``__digest__(self)`` instead. Thread-safe.

    >>> class Client:
    ...     def __init__(self, address):
    ...         self.address, self.connection = address, open
    >>> register_digest(Client, lambda client: client.address)

    Args:
        kind: The type, or its name (``"torch.Tensor"``), which spares the import.
        function: Takes the value and returns another value that stands for it: everything that matters, nothing else.
        subclasses: Whether it holds for subclasses too. By default it does not: they may have more to them.

    Raises:
        ValueError: The type is one whose bytes are part of the format.
        TypeError: ``function`` cannot be called.
    """
    DEFAULT.register(kind, function, subclasses=subclasses)


def digest_class(cls: type) -> Digest:
    """Return the digest of a class as a value: of its name in the standard library, else of its code.

    Raises:
        TypeError: It is no class.

    >>> digest_class(int) == digest(int)
    True
    """
    if not isinstance(cls, type):
        raise TypeError(f"digest_class is for classes, not for {cls!r}; digest() takes any value")
    return digest(cls, name=cls.__qualname__)


def D(value: Any) -> Digest:  # noqa: N802 - the name that existing code uses
    """Return hexadecimal text up to the length of a digest as a digest or prefix, and the digest of anything else.

    Kept for existing code; `Digest` and `digest` say which of the two is meant.

    >>> D("3f9a")
    Digest('3f9a')
    """
    if isinstance(value, str) and 0 < len(value) <= chosen().length and set(value.lower()) <= set("0123456789abcdef"):
        return value if isinstance(value, Digest) else Digest(value)
    return digest(value)


class _Part:
    """How far the encoding of one value is.

    Attributes:
        bodies: The groups that are done: their encoding, or their frames in the order of the group.
        frames: The frames of the group at hand.
        index: The next child of the group at hand.
    """

    __slots__ = ("bodies", "frames", "index")

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.frames: list[bytes] = []
        self.index = 0

    def advance(self, plan: Plan) -> bool:
        """Encode children up to the next that is no scalar; return whether there is none."""
        known, bodies, groups = FRAMES, self.bodies, plan.groups
        count = len(groups)
        while len(bodies) < count:
            group = groups[len(bodies)]
            index = self.index
            if index == 0 and (plan.order == "given" or len(bodies) > 1):
                encoded = run(group)
                if encoded is not None:
                    bodies.append(encoded)
                    continue
            frames = self.frames
            size = len(group)
            while index < size:
                child = group[index]
                scalar = known.get(type(child))
                if scalar is None:
                    self.index = index
                    return False
                frames.append(scalar(child))
                index += 1
            bodies.append(frames)
            self.frames = []
            self.index = 0
        return True


class _Open:
    """A value whose children are being encoded.

    Attributes:
        part: How far it is.
        serial: How many values were opened before this one.
        first: The serial number of the first time that this value was opened.
        refs: The depths of enclosing values, this one included, to which something inside refers.
        cyclic: Whether a cycle is reachable from it.
    """

    __slots__ = ("cyclic", "depth", "first", "part", "plan", "refs", "serial", "value")

    def __init__(self, value: Any, plan: Plan, part: _Part, depth: int, serial: int, first: int) -> None:
        self.value = value
        self.plan = plan
        self.part = part
        self.depth = depth
        self.serial = serial
        self.first = first
        self.refs: set[int] = set()
        self.cyclic = False


class _Cyclic:
    """What is remembered of a value from which a cycle is reachable.

    Its frame holds only where the cycles would be cut at the same places: see `Walk._holds`.
    """

    __slots__ = ("depth", "finished", "first", "frame", "holder", "opened", "refs", "value")

    def __init__(self, node: _Open, frame: bytes, finished: int, holder: int) -> None:
        self.value = node.value  # keeps it alive, so that its id is not given to another
        self.frame = frame
        self.depth = node.depth
        self.refs = node.refs
        self.opened = node.serial
        self.first = node.first
        self.finished = finished
        self.holder = holder


class Walk:
    """One walk over one value.

    Values are remembered by identity, so that the work is linear in objects and not in paths. A reference to a value
    that encloses it is cut: its frame is the distance. What is below such a cut depends on where it was met, so it is
    remembered only for places where it would be cut in the same way; where that is not enough, in a dense web of
    mutual references, a budget ends the walk with a refusal.

    Args:
        registry: How types are encoded.
        algorithm: The hash.
        name: How the value is called in an error.
        literal: Whether a `Digest` is a value, and not what it stands for.
    """

    def __init__(self, registry: Registry, algorithm: Algorithm, name: str = "value", *, literal: bool = False) -> None:
        self._handler = registry.literal if literal else registry.handler
        self._inner = registry.inner
        self._algorithm = algorithm
        self._name = name
        self._stack: list[_Open] = []
        self._places: dict[int, int] = {}  # the id of an open value to its depth
        # The id of a value without cycles to itself, its frame, and the size of its encoding.
        self._done: dict[int, tuple[Any, bytes, int]] = {}
        self._plans: dict[int, Plan] = {}  # of values near the top
        self._cyclic: dict[int, _Cyclic] = {}
        self._reopened: list[_Open] = []
        self._serial = 0
        self._repeats = 0
        self._size = 0  # of the encoding that was made last
        self._framed = False  # whether that was a frame in itself
        self.refers = False
        self.types: set[type] = set()
        self.holding: list[tuple[str, FunctionType]] = []

    def trace(self, value: Any, raw: bytes) -> Trace | None:
        """Return what was met near the top of the value that was digested; None where its encoding is a frame."""
        return None if self._framed else Trace(value, raw, self._size, self._done, self._plans)

    def digest(self, value: Any) -> bytes:
        """Return the raw digest of a value.

        Raises:
            Indigestible: Something in the value has no digest.
        """
        frame = self._frame(value)
        stack = self._stack
        while stack:
            frame = self._step(stack[-1])
            if frame is not None and stack:
                stack[-1].part.frames.append(frame)
        assert frame is not None
        if self.refers:
            self._inner.refers = True
        self._framed = frame[:1] != f.REF
        return frame[1:] if frame[:1] == f.REF else self._algorithm.hash(frame)

    def _frame(self, value: Any) -> bytes | None:
        """Return the frame of a value, or open it and return None."""
        key = id(value)
        done = self._done.get(key)
        if done is not None:
            return done[1]
        depth = len(self._stack)
        place = self._places.get(key)
        if place is not None:
            holder = self._stack[-1]
            holder.refs.add(place)
            holder.cyclic = True
            return f.back(depth - place)
        known = self._cyclic.get(key)
        if known is not None and self._holds(known, depth):
            if self._stack:
                holder = self._stack[-1]
                holder.refs |= known.refs
                holder.cyclic = True
            return known.frame
        plan = self._plan(value)
        if isinstance(plan, bytes):
            self.refers |= isinstance(value, Digest) and type(value) is not Standing
            return plan
        part = _Part()
        if part.advance(plan):  # nothing in it has children, so it is never open
            encoding = self._encoding(plan, part.bodies)
            self._done[key] = (value, encoding, self._size)
            return encoding
        if depth >= DEPTH:
            reason = f"is nested {DEPTH} levels deep"
            refusal = Refusal(reason, "Look for an object that makes new ones when it is read")
            raise indigestible(self._name, type(value), refusal)
        self._serial += 1
        node = _Open(value, plan, part, depth, self._serial, self._serial if known is None else known.first)
        if known is not None:
            self._reopen(node)
        self._places[key] = depth
        self._stack.append(node)
        return None

    def _plan(self, value: Any) -> bytes | Plan:
        """Return what the value's handler says, or refuse the value by its path."""
        self.types.add(type(value))
        if type(value) is FunctionType and (value.__closure__ or value.__defaults__ or value.__kwdefaults__):
            self.holding.append((self._path(), value))
        try:
            return self._handler(type(value))(value)
        except Refusal as refusal:
            raise indigestible(self._path(), type(value), refusal, self._holders()) from refusal.__cause__
        except (FlecheError, MemoryError):
            raise
        except Exception as error:
            reason = Refusal(f"cannot be read ({type(error).__name__}: {error})")
            raise indigestible(self._path(), type(value), reason, self._holders()) from error

    def _holds(self, known: _Cyclic, depth: int) -> bool:
        """Whether a remembered frame is what walking the value again, here, would give.

        What it refers to outside must still be open at the same distance, and no value that has been opened since may
        be one that was met inside it: there the walk would now be cut.
        """
        if known.refs and (known.depth != depth or self._stack[max(known.refs)].serial != known.holder):
            return False
        return all(node.serial <= known.opened or node.first > known.finished for node in self._reopened)

    def _reopen(self, node: _Open) -> None:
        self._repeats += 1
        if self._repeats > BUDGET:
            refusal = Refusal(
                "is part of a dense web of objects that refer to each other, and telling it apart from others would "
                "take too long",
                "Pass the nodes and their links as plain lists or an array",
            )
            raise indigestible(self._path(), type(node.value), refusal)
        self._reopened.append(node)

    def _step(self, node: _Open) -> bytes | None:
        """Encode children until one has children itself (None), or until all are done (the value's frame)."""
        groups, part = node.plan.groups, node.part
        while not part.advance(node.plan):
            child = groups[len(part.bodies)][part.index]
            part.index += 1
            frame = self._frame(child)
            if frame is None:
                return None
            part.frames.append(frame)
        return self._close(node)

    def _close(self, node: _Open) -> bytes:
        encoding = self._encoding(node.plan, node.part.bodies)
        key = id(node.value)
        self._stack.pop()
        del self._places[key]
        if self._reopened and self._reopened[-1] is node:
            self._reopened.pop()
        if node.depth < REACH:
            self._plans[key] = node.plan
        if not node.cyclic:
            self._done[key] = (node.value, encoding, self._size)
            return encoding
        node.refs.discard(node.depth)
        holder = self._stack[max(node.refs)].serial if node.refs else -1
        self._cyclic[key] = _Cyclic(node, encoding, self._serial, holder)
        if self._stack:
            self._stack[-1].refs |= node.refs
            self._stack[-1].cyclic = True
        return encoding

    def _encoding(self, plan: Plan, bodies: list[Any]) -> bytes:
        parts = [plan.head, *_bodies(plan, bodies)]
        if plan.inline:
            return f.counted(plan.head, b"".join(parts[1:]))
        joined = b"".join(parts)
        self._size = len(joined) + plan.weight
        if plan.tail is None:
            return f.REF + self._algorithm.hash(joined)
        hasher = self._algorithm.hasher()
        hasher.update(joined)
        for buffer in plan.tail:
            hasher.update(buffer)
            self._size += memoryview(buffer).nbytes
        raw: bytes = hasher.digest()
        return f.REF + raw

    def _holders(self) -> list[Holder]:
        """Return what is around the value that is being looked at: paths and types, the outermost first."""
        path, found = self._name, []
        for node in self._stack:
            found.append((path, type(node.value)))
            path += node.plan.label(node.plan, len(node.part.bodies), node.part.index - 1)
        return found

    def _path(self) -> str:
        """Return the path to the value that is being looked at."""
        labels = (node.plan.label(node.plan, len(node.part.bodies), node.part.index - 1) for node in self._stack)
        return self._name + "".join(labels)


def _bodies(plan: Plan, bodies: list[Any]) -> list[bytes]:
    """Return the encoded groups of a value, those without an order sorted."""
    if plan.order != "given" and bodies:
        sorted_groups = 2 if plan.order == "dict" else 1
        columns = [bodies[i] for i in range(sorted_groups)]
        keys = [tuple(map(f.order, row)) for row in zip(*columns, strict=True)]
        places = sorted(range(len(keys)), key=keys.__getitem__)
        for i in range(sorted_groups):
            group, frames = plan.groups[i], bodies[i]
            bodies[i] = run([group[at] for at in places]) or [frames[at] for at in places]
    return [body if type(body) is bytes else f.elements(body, len(body)) for body in bodies]
