"""The loader for stores that others can write to: nothing is built or called but what a list names.

Two steps. The pickle machine in C builds streams that name nothing, or only types that no pickle can change. As soon as
a stream names another, it is read again by the machine in Python, which checks each step: what may be called, what may
be changed, and how numpy's types are made.
"""

from __future__ import annotations

import copyreg
import importlib
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterable
from io import BytesIO
from types import BuiltinFunctionType
from typing import Any, NoReturn

from fleche.errors import UntrustedError
from fleche.storage.loader import Buffer, Loader
from fleche.storage.pickling import Serializer
from fleche.storage.safe_numpy import check_shape, check_state, dtype_of, dtype_with
from fleche.storage.safe_pandas import check_manager, check_native, is_native
from fleche.storage.safe_types import MOVED, SafeTypes

__all__ = ["SAFE", "SafeLoader"]

_OURS = "fleche.storage.rebuild."
_CONTAINERS = (list, dict, set, deque)
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_IMMUTABLE_TYPE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE


class SafeLoader:
    """Builds values of listed types only; everything else raises before it is imported, built or called.

    Args:
        types: The list.

    >>> import os, pickle
    >>> class Bomb:
    ...     def __reduce__(self):
    ...         return os.system, ("echo boom",)
    >>> SAFE.load(pickle.dumps(Bomb()), (), Serializer.PICKLE)
    Traceback (most recent call last):
        ...
    fleche.errors.UntrustedError: the bytes ask for posix.system, which is not on the list of safe types...
    """

    def __init__(self, types: SafeTypes | None = None) -> None:
        self._types = SafeTypes() if types is None else types

    def load(self, stream: Buffer, buffers: Iterable[Buffer], serializer: Serializer) -> Any:  # noqa: ARG002
        """Return the value; see `Loader.load`.

        Raises:
            UntrustedError: The stream asks for something that is not on the list, or for a step that no honest pickle
                of a listed type takes.
        """
        buffers = list(buffers)
        if not getattr(copyreg, "_inverted_registry", True):  # extension codes bypass find_class
            try:
                return _Plain(self._types, stream, buffers).load()
            except _NeedsCareError:
                pass
        try:
            return _Careful(self._types, stream, buffers).load()
        except Exception as error:
            # Frames would keep half-built objects for tools that print them, which compiled code does not survive.
            raise error.with_traceback(None) from None

    def load_parts(self, stream: Buffer, buffers: Iterable[Buffer], part: Callable[[Any], Any]) -> Any:
        """Return the value; see `PartsLoader.load_parts`. A part is never changed by the stream that names it."""
        try:
            return _Careful(self._types, stream, list(buffers), part).load()
        except Exception as error:
            raise error.with_traceback(None) from None


class _NeedsCareError(Exception):
    """The stream names a type that a pickle could change."""


class _Guard:
    """A function in the place of a listed one: it checks the arguments, and no pickle can change it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._function(*args, **options)  # type: ignore[attr-defined]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class _Plain(pickle.Unpickler):
    """The machine in C, for streams that name only what cannot be changed."""

    def __init__(self, types: SafeTypes, stream: Buffer, buffers: list[Buffer]) -> None:
        super().__init__(BytesIO(stream), buffers=buffers)
        self._types = types

    def find_class(self, module: str, name: str) -> Any:
        found = _find(self._types, module, name)
        if module not in sys.stdlib_module_names or not _is_immutable(found):
            raise _NeedsCareError
        return found

    def persistent_load(self, pid: Any) -> Any:  # noqa: ARG002
        _refuse("a persistent object")


_Machine: Any = pickle._Unpickler  # noqa: SLF001 - the machine in Python, whose steps can be checked


class _Careful(_Machine):  # type: ignore[misc]
    """Checks each step. Only what `find_class` gave is called; it, and classes, are never changed."""

    dispatch = dict(_Machine.dispatch)  # noqa: RUF012

    def __init__(
        self,
        types: SafeTypes,
        stream: Buffer,
        buffers: list[Buffer],
        part: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(BytesIO(stream), buffers=buffers)
        self._types = types
        self._part = part
        self._found: dict[int, Any] = {}
        self._unborn: dict[int, Any] = {}
        self._checked: dict[int, Any] = {}  # what our own functions built and checked; it stays so

    def find_class(self, module: str, name: str) -> Any:
        found = _find(self._types, module, name)
        self._found[id(found)] = found
        return found

    def persistent_load(self, pid: Any) -> Any:
        if self._part is None:
            _refuse("a persistent object")
        part = self._part(self._whole(pid))
        self._checked[id(part)] = part
        return part

    def load_reduce(self) -> None:
        args = self.stack.pop()
        function = self._callable(self.stack[-1])
        made = function(*self._whole(args))
        self.stack[-1] = made
        if any(function is beginning for beginning in _BEGINNINGS) or getattr(function, "__name__", "").startswith(
            "__pyx_unpickle_"
        ):
            self._unborn[id(made)] = made
        elif (getattr(function, "__module__", None) or "").startswith(_OURS):
            self._checked[id(made)] = made
        elif is_native(made):
            _check_made(made)

    def load_newobj(self) -> None:
        args = self.stack.pop()
        self._made(self._callable(self.stack[-1]), args, {})

    def load_newobj_ex(self) -> None:
        options = self.stack.pop()
        args = self.stack.pop()
        self._made(self._callable(self.stack[-1]), args, options)

    def load_build(self) -> None:
        target, state = self._changeable(self.stack[-2]), self._whole(self.stack[-1])
        if _is_numpy(target, "dtype"):
            made = dtype_with(target, self.stack.pop())
            self.stack[-1] = made
            for index in [index for index, value in self.memo.items() if value is target]:
                self.memo[index] = made
            return
        array, native = _is_numpy(target, "ndarray"), is_native(target)
        if (array or native) and self._unborn.pop(id(target), None) is not target:
            _refuse(f"a change of a {type(target).__name__} that is already built")
        if array:
            check_state(state)
        if native:
            check_native(target, state)
        super().load_build()
        if native:
            _check_made(target)

    def _made(self, cls: Any, args: Any, options: dict[str, Any]) -> None:
        made = cls.__new__(cls, *self._whole(args), **self._whole(options))
        self.stack[-1] = made
        if is_native(made):
            self._unborn[id(made)] = made

    def _whole(self, value: Any) -> Any:
        """Refuse an object whose state is still to come: compiled code would read what is not there yet."""
        if self._unborn.get(id(value)) is value is not None:
            _refuse(f"a use of a {type(value).__name__} before it is built")
        return value

    def load_refused(self) -> None:
        _refuse("a step that pickles of protocol 5 do not take")

    def _callable(self, function: Any) -> Any:
        if self._found.get(id(function)) is not function and not isinstance(function, _Guard):
            _refuse(f"a call of {type(function).__name__}")
        return function

    def _changeable(self, target: Any) -> Any:
        known = self._found.get(id(target), self._checked.get(id(target)))
        if isinstance(target, type | _Guard) or known is target is not None:
            _refuse(f"a change of {getattr(target, '__qualname__', type(target).__name__)}")
        return target

    def _filled(self, target: Any) -> Any:
        """Refuse to put items into what is no container: into arrays, whose content may have been checked."""
        if not isinstance(target, _CONTAINERS) and not any(type(target) is one for one in self._types.types.values()):
            _refuse(f"a change of a {type(target).__name__}")
        return self._changeable(target)


class _Checked:
    """A step that puts whole objects into a new or an existing one, which may be changed.

    Args:
        step: The step.
        items: How many objects it takes from the top of the stack; None for all above the mark.
        target: How deep below these is the object that it changes; None if it makes a new one.
    """

    def __init__(self, step: Callable[[Any], None], items: int | None, target: int | None = None) -> None:
        self._step = step
        self._items = items
        self._target = target

    def __call__(self, machine: _Careful) -> None:
        stack = machine.stack
        if machine._unborn:  # noqa: SLF001
            for item in stack if self._items is None else stack[-self._items :]:
                machine._whole(item)  # noqa: SLF001
        if self._target is not None:
            below = machine.metastack[-1] if self._items is None else stack
            machine._whole(machine._filled(below[-self._target]))  # noqa: SLF001
        self._step(machine)


class _Fetched:
    """A step that puts an object of the memo on the stack, if it is whole."""

    def __init__(self, step: Callable[[Any], None]) -> None:
        self._step = step

    def __call__(self, machine: _Careful) -> None:
        self._step(machine)
        machine._whole(machine.stack[-1])  # noqa: SLF001


def _steps() -> dict[int, Callable[[Any], None]]:
    refused = (
        pickle.EXT1,
        pickle.EXT2,
        pickle.EXT4,
        pickle.INST,
        pickle.OBJ,
        pickle.PERSID,
        pickle.DUP,
    )
    machine = _Machine.dispatch
    taking: list[tuple[bytes, int | None, int | None]] = [
        (pickle.TUPLE, None, None),
        (pickle.TUPLE1, 1, None),
        (pickle.TUPLE2, 2, None),
        (pickle.TUPLE3, 3, None),
        (pickle.LIST, None, None),
        (pickle.DICT, None, None),
        (pickle.FROZENSET, None, None),
        (pickle.STOP, 1, None),
        (pickle.APPEND, 1, 2),
        (pickle.APPENDS, None, 1),
        (pickle.SETITEM, 2, 3),
        (pickle.SETITEMS, None, 1),
        (pickle.ADDITEMS, None, 1),
    ]
    return {
        pickle.REDUCE[0]: _Careful.load_reduce,
        pickle.NEWOBJ[0]: _Careful.load_newobj,
        pickle.NEWOBJ_EX[0]: _Careful.load_newobj_ex,
        pickle.BUILD[0]: _Careful.load_build,
        **{code[0]: _Checked(machine[code[0]], items, target) for code, items, target in taking},
        **{code[0]: _Fetched(machine[code[0]]) for code in (pickle.GET, pickle.BINGET, pickle.LONG_BINGET)},
        **{code[0]: _Careful.load_refused for code in refused},
    }


_Careful.dispatch.update(_steps())


def _find(types: SafeTypes, module: str, name: str) -> Any:
    pair = (module, name)
    if pair not in types:
        _refuse(f"{module}.{name}")
    if pair in types.types:
        return types.types[pair]
    module = MOVED.get(module, module)
    guard = _GUARDS.get((module, name))
    if guard is not None:
        return guard
    try:
        home = importlib.import_module(module)
    except ModuleNotFoundError:
        home = importlib.import_module(next(old for old, new in MOVED.items() if new == module))
    return getattr(home, name)


def _is_immutable(found: Any) -> bool:
    if isinstance(found, type):
        return not found.__flags__ & _HEAP_TYPE or bool(found.__flags__ & _IMMUTABLE_TYPE)
    return isinstance(found, BuiltinFunctionType) or found is Ellipsis or found is NotImplemented


def _is_numpy(value: Any, name: str) -> bool:
    return any(base.__module__ == "numpy" and base.__name__ == name for base in type(value).__mro__)


def _check_made(made: Any) -> None:
    if type(made).__name__ in ("BlockManager", "SingleBlockManager"):
        check_manager(made)


def _zone(owner: Any, name: Any) -> Any:
    from zoneinfo import ZoneInfo

    if owner is not ZoneInfo or name != "_unpickle":
        _refuse("builtins.getattr")
    return _Guard(ZoneInfo._unpickle)  # type: ignore[attr-defined] # noqa: SLF001


def _pattern(pattern: Any, flags: Any) -> Any:
    import re

    if not isinstance(pattern, str | bytes) or flags & re.DEBUG:  # which prints
        _refuse("a regular expression that is none")
    return re.compile(pattern, flags)


def _array(subtype: Any, shape: Any, dtype: Any) -> Any:
    import numpy as np

    check_shape(shape)
    if not isinstance(dtype, str | bytes):
        _refuse("an array of no dtype")
    return np.ndarray.__new__(subtype, shape, np.dtype(dtype.decode() if isinstance(dtype, bytes) else dtype))


def _masked(subtype: Any, baseclass: Any, shape: Any, dtype: Any) -> Any:
    import numpy.ma.core as ma

    check_shape(shape)
    return ma._mareconstruct(subtype, baseclass, shape, dtype)  # type: ignore[attr-defined] # noqa: SLF001


_RECONSTRUCT, _MASKED = _Guard(_array), _Guard(_masked)
_BEGINNINGS = (_RECONSTRUCT, _MASKED)  # give arrays whose state is still to come
_GUARDS: dict[tuple[str, str], _Guard] = {
    ("builtins", "getattr"): _Guard(_zone),
    ("re", "_compile"): _Guard(_pattern),
    ("numpy", "dtype"): _Guard(dtype_of),
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy.ma.core", "_mareconstruct"): _MASKED,
}


def _refuse(what: str) -> NoReturn:
    raise UntrustedError(
        f"the bytes ask for {what}, which is not on the list of safe types, so they are not built from a store that "
        f"others can write to. Return plain values, sign what you store (FLECHE_SECRET_KEY), keep the store where only "
        f"you can write (chmod go-w, FLECHE_DIR), say trust = true in its table if all who can write may run code "
        f"here, or vouch for the type: EmbeddedStore(path, loader=SafeLoader(SafeTypes().with_types(...))).",
        type_name=what,
    )


SAFE: Loader = SafeLoader()
