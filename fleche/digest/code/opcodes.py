"""The same names, read from bytecode where no source is known, as far as instructions show them."""

from __future__ import annotations

from types import CodeType
from typing import Any, NamedTuple

from fleche.digest.code.bytecode import nested
from fleche.digest.code.names import MUTATORS, Chain, Import, Names

__all__ = ["names_of_code", "stored_attributes"]


def names_of_code(code: CodeType) -> Names:
    """Return what a code object reaches, as far as its instructions show."""
    names = Names()
    _read_code(code, frozenset(code.co_freevars), names)
    return names


def _read_code(code: CodeType, free: frozenset[str], names: Names) -> None:
    steps = _steps(code)
    _read_imports(steps, names)
    outside = {"LOAD_DEREF", "LOAD_CLASSDEREF", "STORE_DEREF", "DELETE_DEREF", "LOAD_FROM_DICT_OR_DEREF"}
    for at, step in enumerate(steps):
        name = step.argval
        mine = step.opname in _GLOBAL or (step.opname in outside and name in free)
        if step.opname.startswith(("STORE_", "DELETE_")):
            if mine:
                names.rebound.add((name,))
            elif step.opname in ("STORE_ATTR", "DELETE_ATTR"):
                owner = _chain_before(steps, _start(steps, at), free, names)
                if owner:
                    names.rebound.add((*owner, name))
            elif step.opname in _KEYS:
                _changed(names.changed, _container_before(steps, _start(steps, at), free, names))
        elif mine or (step.opname in _FAST and name in names.imports):
            names.reached.add(_chain_after(steps, at))
        elif step.opname in _ATTRIBUTE and name in MUTATORS:
            _changed(names.called, _chain_before(steps, at, free, names))
            if at and steps[at - 1].opname in _ATTRIBUTE:
                names.touched.add(steps[at - 1].argval)
    for inner in nested(code):
        _read_code(inner, free & frozenset(inner.co_freevars), names)


def stored_attributes(code: CodeType) -> frozenset[str]:
    """Return the attributes that a code object assigns or deletes, of whatever object, in nested functions too."""
    found = {step.argval for step in _steps(code) if step.opname in ("STORE_ATTR", "DELETE_ATTR")}
    return frozenset(found).union(*map(stored_attributes, nested(code)))


_SILENT = frozenset({"CACHE", "RESUME", "NOP", "EXTENDED_ARG", "PRECALL", "PUSH_NULL", "COPY_FREE_VARS"})
_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_KEYS = {"STORE_SUBSCR": 1, "DELETE_SUBSCR": 1, "BINARY_SUBSCR": 1, "STORE_SLICE": 2, "BINARY_SLICE": 2}
_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_FAST = frozenset({"LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF"})
_LOADS = _GLOBAL | _FAST | {"LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}


class _Step(NamedTuple):
    """One instruction: its name, what it is about, and what it adds to the stack."""

    opname: str
    argval: Any
    effect: int


def _steps(code: CodeType) -> list[_Step]:
    import dis

    steps = []
    for step in dis.get_instructions(code):
        if step.opname in _SILENT:
            continue
        if step.opname in _PAIRS:  # since 3.13 two in one
            for name, argument in zip(_PAIRS[step.opname], step.argval, strict=True):
                steps.append(_Step(name, argument, 1 if name == "LOAD_FAST" else -1))
        else:
            steps.append(_Step(step.opname, step.argval, dis.stack_effect(step.opcode, step.arg, jump=False)))
    return steps


_PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}


def _changed(into: set[Chain], chain: Chain | None) -> None:
    if chain:
        into.add(chain)


def _start(steps: list[_Step], at: int) -> int:
    """Return where the target of a store was last on top of the stack: an operator such as ``+=`` copies it first."""
    if at and steps[at - 1].opname == "SWAP":
        for index in range(at - 1, -1, -1):
            if steps[index].opname == "COPY" and steps[index - 1].opname != "COPY":
                return index
    return at


def _chain_after(steps: list[_Step], at: int) -> Chain:
    chain = [steps[at].argval]
    for step in steps[at + 1 :]:
        if step.opname not in _ATTRIBUTE:
            break
        chain.append(step.argval)
    return tuple(chain)


def _chain_before(steps: list[_Step], at: int, free: frozenset[str], names: Names) -> Chain | None:
    """Return the chain that ends just before an instruction, if it starts at a name from outside."""
    attributes: list[str] = []
    for index in range(at - 1, -1, -1):
        step = steps[index]
        if step.opname in _ATTRIBUTE:
            attributes.append(step.argval)
            continue
        if step.opname in _KEYS and not attributes:  # TABLE[a][b] = c changes what TABLE holds
            return _container_before(steps, index, free, names)
        outside = step.opname in _GLOBAL or step.argval in free or step.argval in names.imports
        if step.opname in _FAST and not outside:
            names.parameters.add(step.argval)
        return (step.argval, *reversed(attributes)) if step.opname in _LOADS and outside else None
    return None


def _container_before(steps: list[_Step], at: int, free: frozenset[str], names: Names) -> Chain | None:
    """Return the chain whose item an instruction takes or stores: what is below the key on the stack."""
    depth, keys = 0, _KEYS.get(steps[at].opname, 1)
    for index in range(at - 1, -1, -1):
        depth += steps[index].effect
        if depth == keys:
            return _chain_before(steps, index, free, names)
    return None


def _read_imports(steps: list[_Step], names: Names) -> None:
    module: Import | None = None
    taken = ""
    for at, step in enumerate(steps):
        if step.opname == "IMPORT_NAME":
            level = steps[at - 2].argval if at > 1 and isinstance(steps[at - 2].argval, int) else 0
            module, taken = (level, step.argval, ""), ""
        elif step.opname == "IMPORT_FROM":
            taken = step.argval
        elif module is not None and step.opname in ("STORE_FAST", "STORE_DEREF"):
            whole = taken or "." not in module[1] or step.argval != module[1].partition(".")[0]
            names.imported(step.argval, module[0], module[1] if whole else step.argval, taken)
        elif step.opname == "POP_TOP":
            module = None
