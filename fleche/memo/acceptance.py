"""Acceptance: saying of an edit that it changes no result, looking at what was said, and taking it back."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fleche.call import QueryCall
from fleche.clock import SYSTEM
from fleche.digest import Digest
from fleche.digest.code.renamed import Place
from fleche.memo.adoption import Adoption, Step
from fleche.memo.changes import brought, changed
from fleche.storage.acceptances import Acceptance
from fleche.storage.host import user_at_host

if TYPE_CHECKING:
    from fleche.caches import BaseCache
    from fleche.digest.code.renamed import Renaming
    from fleche.memo.memo import Memo

__all__ = ["Accepted", "AcceptedEdits", "Migration", "Proposal", "Stored", "accepted", "propose", "withdraw"]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Stored calls of a function that were filed under one name and one code.

    Attributes:
        function: Module and name under which they were filed.
        code: The fingerprint in their keys, or None where code was not in the key.
        lacks: Parameters that they do not have.
        calls: How many of them have a result.
        latest: When the last of them started, or None where that is not known.
        changed: The names of what was edited since; empty where that cannot be told.
        state: ``current`` (they are hits as they are), ``was``, ``added`` or ``accepted`` (they are hits by what was
            declared or accepted), ``changed`` (they would be hits if the edit were accepted), or ``lost`` (they would
            not).
        why: For ``lost``, the reason.
        new: For ``changed``, the fingerprint of today for which they would count.
        added: For ``changed``, what they meant where they lack a parameter, by name.
    """

    function: str
    code: Digest | None
    lacks: tuple[str, ...]
    calls: int
    latest: datetime | None
    changed: tuple[str, ...] = ()
    state: str
    why: str = ""
    new: Digest | None = None
    added: Mapping[str, Digest]

    def row(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "function": self.function,
            "code": self.code,
            "state": self.state,
            "calls": self.calls,
            "latest": self.latest,
            "changed": list(self.changed),
            "lacks": list(self.lacks),
            "why": self.why,
        }

    def told(self) -> list[str]:
        """Return it as the cells of a table."""
        reason = self.why or (", ".join(self.changed) if self.state == "changed" else "")
        if self.lacks and self.state != "lost":
            reason = f"{reason}{'; ' if reason else ''}without {', '.join(self.lacks)}"
        code = "-" if self.code is None else self.code[:12]
        when = "" if self.latest is None else f"{self.latest:%Y-%m-%d %H:%M}"
        return [self.state, f"{self.calls:,}", self.function, code, when, reason]


_OTHERWISE = {True: "it was in theirs", False: "it is in the function's now"}

_HEAD = ("state", "calls", "function", "code", "latest", "what differs")


class Proposal:
    """What accepting would do, found out and not done: nothing is written before `confirm`.

    Attributes:
        function: Module and name of the function.
        changes: The stored calls that would be hits, by the code that they were computed with.
        others: The other stored calls, with what they are.
    """

    def __init__(
        self, function: str, changes: Iterable[Stored], others: Iterable[Stored], cache: BaseCache, told: str = ""
    ) -> None:
        self.function = function
        self.changes = tuple(changes)
        self.others = tuple(others)
        self._cache = cache
        self._told = told

    @property
    def calls(self) -> int:
        """How many stored calls would be hits that are none now."""
        return sum(change.calls for change in self.changes)

    def only(self, *codes: str) -> Proposal:
        """Return the same for some fingerprints alone.

        Args:
            *codes: The first characters of fingerprints.
        """
        kept = [change for change in self.changes if any(str(change.code).startswith(code) for code in codes)]
        rest = [change for change in self.changes if change not in kept]
        return Proposal(self.function, kept, (*rest, *self.others), self._cache)

    def confirm(self) -> tuple[Acceptance, ...]:
        """Record that these edits change no result, with who says so and when; from now on the calls are hits.

        Records are not changed. ``f.accepted`` lists what was recorded, and each can be withdrawn.

        Returns:
            What was recorded.

        Raises:
            Rejected: The cache is read-only.
            SaveError: The cache keeps no acceptances.
            StoreError: The store cannot be written.
        """
        who, at = user_at_host(), SYSTEM.now()
        made: dict[tuple[Digest, Digest], Acceptance] = {}
        for change in self.changes:
            assert change.code is not None
            assert change.new is not None
            before = made.get((change.code, change.new))
            added = {**(before.added if before is not None else {}), **change.added}
            made[change.code, change.new] = Acceptance(
                old=change.code, new=change.new, function=self.function, added=added, who=who, at=at
            )
        for acceptance in made.values():
            self._cache.accept(acceptance)
        return tuple(made.values())

    def rows(self) -> list[dict[str, Any]]:
        """Return everything that was looked at as plain values, one row for each name and code."""
        return [each.row() for each in (*self.changes, *self.others)]

    def __len__(self) -> int:
        return len(self.changes)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        return self.text("; nothing is done before .confirm()")

    def text(self, then: str = "") -> str:
        """Return it as text.

        Args:
            then: What to say of how it is done, after what would be brought back.
        """
        count, edits = self.calls, len(self.changes)
        if self.changes:
            head = (
                f"{self.function}: accepting {edits} edit{'' if edits == 1 else 's'} brings back {count:,} stored "
                f"call{'' if count == 1 else 's'}{then}"
            )
        else:
            head = self._told or f"{self.function}: there is no stored call that accepting would bring back"
        rows = [each.told() for each in (*self.changes, *self.others)]
        return "\n".join([head, *_table([list(_HEAD), *rows])] if rows else [head])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return _html(str(self).partition("\n")[0], _HEAD, [each.told() for each in (*self.changes, *self.others)])


@dataclass(frozen=True)
class Accepted:
    """One edit that was accepted for a function.

    Attributes:
        old: The code fingerprint before it.
        new: The code fingerprint after it.
        who: Who accepted it.
        at: When.
        function: The function that it was accepted for.
        added: The names of parameters that calls of the old code may lack.
    """

    old: Digest
    new: Digest
    who: str
    at: datetime
    function: str
    added: tuple[str, ...]
    _cache: BaseCache

    def withdraw(self) -> bool:
        """Take it back: the calls miss again, as they did before it. Return whether it was there still.

        Raises:
            Rejected: The cache is read-only.
            StoreError: The store cannot be written.
        """
        return self._cache.withdraw(self.old, self.new)

    def row(self) -> dict[str, Any]:
        """Return it as plain values."""
        names = ("old", "new", "who", "at", "function")
        return {name: getattr(self, name) for name in names} | {"added": list(self.added)}

    def __str__(self) -> str:
        lacking = f", without {', '.join(self.added)}" if self.added else ""
        return f"{self.old[:12]} counts for {self.new[:12]}{lacking}: {self.who}, {self.at:%Y-%m-%d %H:%M} UTC"

    __repr__ = __str__


class AcceptedEdits(Sequence[Accepted]):
    """The edits that were accepted for a function and not withdrawn, oldest first."""

    def __init__(self, edits: Iterable[Accepted]) -> None:
        self._edits = tuple(edits)

    def __getitem__(self, index: Any) -> Any:
        return self._edits[index]

    def __len__(self) -> int:
        return len(self._edits)

    def withdraw(self) -> int:
        """Take all of them back, and return how many there were still."""
        return sum([edit.withdraw() for edit in self._edits])

    def rows(self) -> list[dict[str, Any]]:
        """Return them as plain values."""
        return [edit.row() for edit in self._edits]

    def __repr__(self) -> str:
        return "\n".join(map(str, self._edits)) or "no edit is accepted"

    def _repr_html_(self) -> str:
        rows = [[f"{e.old[:12]} → {e.new[:12]}", e.function, e.who, f"{e.at:%Y-%m-%d %H:%M}"] for e in self._edits]
        head = f"{len(rows)} accepted edit{'' if len(rows) == 1 else 's'}"
        return _html(head, ("code", "function", "who", "when"), rows)


class Migration:
    """What ``was``, ``added`` and acceptances bring back of several functions, and what they do not.

    Attributes:
        proposals: Of each function, what accepting would bring back.
    """

    def __init__(self, proposals: Iterable[Proposal]) -> None:
        self.proposals = tuple(proposals)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many stored calls there are, by state: see `Stored`."""
        found: Counter[str] = Counter()
        for row in self.rows():
            found[row["state"]] += row["calls"]
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return plain values, one row for each name and code."""
        return [{"of": each.function, **row} for each in self.proposals for row in each.rows()]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.proposals)) or "no functions"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(each._repr_html_() for each in self.proposals)


def propose(memo: Memo, names: Sequence[str] = (), since: datetime | None = None) -> Proposal:
    """Return what accepting would bring back of a function's stored calls.

    Args:
        memo: The function's memory.
        names: Only edits of these alone: the last parts of the names of functions, classes or constants.
        since: Only code of which a call started then or later.

    Raises:
        StoreError: The store cannot be read.
    """
    cache = memo.cache()
    found = [*_Survey(memo, cache).groups()]
    changes = [
        each
        for each in found
        if each.state == "changed"
        and (not names or _is_only(each.changed, names))
        and (since is None or (each.latest is not None and each.latest >= since))
    ]
    told = ""
    if not changes and names and any(each.state == "changed" for each in found):
        told = f"{memo.label}: there is no stored call of which only {', '.join(names)} was edited since"
    elif not found:
        told = f"{memo.label}: no call is stored; if it had another name or module, say so: @cached(was=...)"
    return Proposal(memo.label, changes, [each for each in found if each not in changes], cache, told)


def _is_only(parts: Sequence[str], names: Sequence[str]) -> bool:
    return bool(parts) and all(any(part == name or part.endswith(f".{name}") for name in names) for part in parts)


def accepted(memo: Memo) -> AcceptedEdits:
    """Return the edits that were accepted for a function, under any of its names, and not withdrawn.

    Raises:
        StoreError: The store cannot be read.
    """
    cache, adoption = memo.cache(), memo.adoption
    labels = {f"{place.module}.{place.name}" for place in (adoption.here, *adoption.places)}
    return AcceptedEdits(
        Accepted(said.old, said.new, said.who, said.at, said.function, tuple(sorted(said.added)), cache)
        for said in cache.acceptances()
        if said.function in labels
    )


def withdraw(memo: Memo, codes: Sequence[str]) -> int:
    """Take back what was accepted for a function; see `CachedFunction.withdraw`."""
    edits = accepted(memo)
    chosen = [edit for edit in edits if not codes or any(e.startswith(c) for e in (edit.old, edit.new) for c in codes)]
    return AcceptedEdits(chosen).withdraw()


@dataclass
class _Group:
    calls: int = 0
    latest: datetime | None = None

    def add(self, at: datetime | None) -> None:
        self.calls += 1
        if at is not None and (self.latest is None or at > self.latest):
            self.latest = at


class _Survey:
    """Looks over the stored calls of one function."""

    def __init__(self, memo: Memo, cache: BaseCache) -> None:
        self._memo = memo
        self._cache = cache
        self._adoption: Adoption = memo.adoption
        profile = memo.profile
        profile.settle()
        parameters = profile.signature.parameters.values()
        several = [p.name for p in parameters if p.kind is p.VAR_KEYWORD]
        self._names = [p.name for p in parameters if p.name not in profile.ignored and p.name not in several]
        self._takes_more = bool(several)

    def groups(self) -> Iterator[Stored]:
        """Yield the stored calls by name, code and arguments that they lack: the latest code first."""
        found: dict[tuple[Place, Digest | None, tuple[str, ...], str], _Group] = {}
        for place in dict.fromkeys(self._adoption.filed_places):
            for call in self._cache.find(QueryCall(module=place.module, name=place.name)):
                record = call.record
                lacks = tuple(name for name in self._names if name not in record.arguments)
                why = self._misfit(record.arguments, record.version)
                found.setdefault((place, record.code, lacks, why), _Group()).add(record.at)
        for key, group in sorted(found.items(), key=lambda item: _age(item[1]), reverse=True):
            yield self._stored(*key, group)

    def _misfit(self, arguments: Mapping[str, Any], version: Any) -> str:
        """Return why calls with such arguments can be no hits, whatever is accepted."""
        ours = self._memo.options.version
        if (type(version), version) != (type(ours), ours):
            return f"version {version!r}, and the function has {ours!r}"
        gone = [name for name in arguments if name not in self._names]
        if gone and not self._takes_more:
            return f"the function has no parameter {', '.join(gone)}"
        return ""

    def _stored(self, place: Place, code: Digest | None, lacks: tuple[str, ...], why: str, group: _Group) -> Stored:
        label = ".".join(filter(None, (place.module, place.name)))
        common: dict[str, Any] = {"calls": group.calls, "latest": group.latest}
        base = Stored(function=label, code=code, lacks=lacks, state="lost", why=why, added={}, **common)
        if why:
            return base
        record = None if code is None else self._cache.code_record(code)
        types, unknown = self._types(() if record is None else brought(record))
        watch = self._memo.watch
        now = None if watch is None else watch.current(types)
        origins = self._adoption.origins(now, types)
        there = next((o for o in origins if self._adoption.filed(o.place) == place and o.code == code), None)
        meant = {name: each for name, each in self._adoption.meant.items() if name in lacks}
        if there is not None and not lacks:
            return replace(base, state="current" if there is origins[0] else "was")
        if there is not None and code is None and meant.keys() == set(lacks):
            return replace(base, state="added")
        if self._is_reached(self._adoption.reached(self._cache, origins), code, lacks):
            return replace(base, state="accepted")
        if meant.keys() != set(lacks):
            missing = ", ".join(name for name in lacks if name not in meant)
            return replace(base, why=f"they have no {missing}: say what they meant, added={{{missing!r}: ...}}")
        if unknown:
            return replace(base, why=f"they brought objects of {', '.join(unknown)}, which is not loaded here")
        if code is None or now is None:
            return replace(
                base, why=f"code {'is not' if now is None else 'was not'} in the key, and {_OTHERWISE[now is None]}"
            )
        if code == now:
            return replace(base, why="their code is that of today, so no edit explains what they lack")
        renaming = there.renaming if there is not None else self._renaming(place)
        parts = () if record is None or watch is None else changed(record, watch.tree(types), _Naming(renaming))
        return replace(base, state="changed", changed=parts, new=now, added=meant)

    def _is_reached(self, steps: Iterable[Step], code: Digest | None, lacks: Sequence[str]) -> bool:
        meant = self._adoption.meant
        return any(
            step.code == code and all(name in meant and step.added.get(name) == meant[name] for name in lacks)
            for step in steps
        )

    def _renaming(self, place: Place) -> Renaming | None:
        from fleche.digest.code.renamed import renamings

        where = next((each for each in self._adoption.places if self._adoption.filed(each) == place), None)
        return None if where is None else [*renamings(self._adoption.here, where)][-1]

    def _types(self, names: Iterable[str]) -> tuple[frozenset[type], list[str]]:
        """Return the classes of these names as they are now, and the names of those that are not loaded."""
        found: set[type] = set()
        unknown: list[str] = []
        for name in names:
            cls = next(filter(None, map(_class, self._called_now(name))), None)
            if cls is None:
                unknown.append(name)
            else:
                found.add(cls)
        return frozenset(found), unknown

    def _called_now(self, name: str) -> Iterator[str]:
        from fleche.digest.code.renamed import renamings

        for place in self._adoption.places:
            for renaming in renamings(self._adoption.here, place):
                new = _Naming(renaming)(name)
                if new != name:
                    yield new
        yield name


class _Naming:
    """What is called otherwise today, by its old name."""

    def __init__(self, renaming: Renaming | None) -> None:
        self._pairs: list[tuple[str, str]] = []
        if renaming is not None:
            new, old = renaming.new, renaming.old
            self._pairs.append((f"{old.module}.{old.name}", f"{new.module}.{new.name}"))
            if renaming.owners is not None:
                ours, theirs = renaming.owners
                self._pairs.append((f"{old.module}.{theirs}", f"{new.module}.{ours}"))
            if renaming.modules is not None:
                self._pairs.append((renaming.modules[1], renaming.modules[0]))

    def __call__(self, name: str) -> str:
        for old, new in self._pairs:
            if name == old or name.startswith(f"{old}."):
                return new + name[len(old) :]
        return name


def _class(name: str) -> type | None:
    """Return a class by its qualified name, of a module that is loaded."""
    parts = name.split(".")
    for at in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:at]))
        if found is not None:
            for part in parts[at:]:
                found = getattr(found, part, None)
            return found if isinstance(found, type) else None
    return None


def _age(group: _Group) -> float:
    return 0.0 if group.latest is None else group.latest.timestamp()


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _html(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from fleche.display.page import box, plain, table
    from fleche.display.page import title as titled

    cells = [[plain(cell) for cell in row] for row in rows]
    return box(titled(plain(title, 400)), table(head, cells) if cells else "")
