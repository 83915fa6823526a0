"""Adoption: the stored calls that count for a call of a function that was renamed, moved, extended or accepted.

Asked only where a call was not found under its own key. The keys that it may have had are made from today's code and
arguments, and from what was accepted; nothing that is stored is changed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from fleche.call.key import call_prefix, lookup_key
from fleche.digest import Digest, digest
from fleche.digest.code import CodeWatch
from fleche.digest.code.graph import graph_digest
from fleche.digest.code.renamed import Place, Renaming, renamed, renamings
from fleche.errors import Indigestible
from fleche.memo.places import is_anonymous, places

if TYPE_CHECKING:
    from fleche.caches import BaseCache
    from fleche.memo.memo import Memo, Sealed
    from fleche.storage.acceptances import Acceptance

__all__ = ["Adoption", "Origin", "Step"]

log = logging.getLogger("fleche")

_KEPT = 64  # for how many fingerprints the names that they had are remembered
_REACH = 64  # how many fingerprints are reached through acceptances, at most
_ADDED = 5  # how many added parameters may be left out, each way

Bare = Mapping[str, Digest]


@dataclass(frozen=True, slots=True)
class Origin:
    """One identity that a call may have been filed under.

    Attributes:
        place: Module and name; of the module empty text, where it is not in the key.
        code: The fingerprint, or None where code was not in the key.
        renaming: What was called otherwise then, or None.
    """

    place: Place
    code: Digest | None
    renaming: Renaming | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A code fingerprint that counts for today's, and what its calls may lack.

    Attributes:
        code: The fingerprint, or None where code is not in the key.
        added: Arguments that calls of it may lack, by name, with the digest of what they meant.
        through: The acceptances that lead there.
    """

    code: Digest | None
    added: Bare
    through: tuple[Acceptance, ...] = ()


class Adoption:
    """What one function's calls may have been filed under.

    Args:
        memo: The function's memory.
    """

    def __init__(self, memo: Memo) -> None:
        self._memo = memo
        self._options = memo.options
        self.here = Place(*_identity(memo))
        self.places = places(self.here, memo.options.was)
        self._origins: dict[tuple[Digest | None, frozenset[type]], tuple[Origin, ...]] = {}
        self._own: CodeWatch | None = None
        self._meant: Bare | None = None

    @property
    def filed_places(self) -> list[Place]:
        """Where the function's calls are filed: under its own name, then under those that it had."""
        return [self.filed(place) for place in (self.here, *self.places)]

    # -- keys --------------------------------------------------------------------------------------------------

    def keys(self, cache: BaseCache, sealed: Sealed) -> Iterator[Digest]:
        """Yield the keys that a call may have been filed under, its own apart: the likeliest first.

        Raises:
            StoreError: The store cannot be read.
        """
        if not self.places and not self._options.added and (sealed.code is None or not cache.acceptances(sealed.code)):
            return  # as nearly always: one question, and nothing more
        seen = {sealed.key}
        for origin, step in self._ways(cache, sealed):
            whole = self._renamed(sealed, origin.renaming)
            for arguments in () if whole is None else self._arguments(whole, step):
                place = self.filed(origin.place)
                prefix = call_prefix(place.module, place.name, self._options.version, step.code)
                key = lookup_key(prefix, arguments)
                if key not in seen:
                    seen.add(key)
                    yield key

    def _ways(self, cache: BaseCache, sealed: Sealed) -> Iterator[tuple[Origin, Step]]:
        origins = self.origins(sealed.code, sealed.types)
        for origin in origins:
            yield origin, Step(origin.code, self.meant if origin.code is None else {})
        for step in self.reached(cache, origins):
            for origin in origins:
                yield origin, step

    def _arguments(self, whole: Bare, step: Step) -> Iterator[Bare]:
        """Yield the arguments as they may have been filed: whole, then without what was added since."""
        yield whole
        meant = self.meant
        lacking = [
            name
            for name, digest_ in step.added.items()
            if meant.get(name) == digest_ and whole.get(name) == digest_  # what was accepted, is declared, and is given
        ][:_ADDED]
        for count in range(len(lacking), 0, -1):
            for names in combinations(lacking, count):
                yield {name: each for name, each in whole.items() if name not in names}

    def _renamed(self, sealed: Sealed, renaming: Renaming | None) -> Bare | None:
        """Return the digests of the arguments as they were when classes had other names; None: there are none."""
        if renaming is None or not any(renaming.object(*_named(cls)) != _named(cls) for cls in sealed.types):
            return sealed.digests
        from fleche.digest.moved import moved_digests

        arguments = sealed.arguments
        moved = [name for name in arguments if name not in sealed.refers and not _is_plain(arguments[name])]
        try:
            found = moved_digests({name: arguments[name] for name in moved}, renaming.object)
        except Indigestible:
            return None
        return {name: found.get(name, each) for name, each in sealed.digests.items()}

    def filed(self, place: Place) -> Place:
        """Return a place as it is filed: without its module, where that is not in the key."""
        return place if self._options.module else Place("", place.name)

    # -- what was ----------------------------------------------------------------------------------------------

    @property
    def meant(self) -> Bare:
        """The digests of the values that calls meant before parameters were added, by name."""
        if self._meant is None:
            project = self._memo.profile.project
            self._meant = {
                name: digest(project[name](value) if name in project else value, name=f"added[{name!r}]")
                for name, value in self._options.added.items()
            }
        return self._meant

    def origins(self, code: Digest | None, types: Any = frozenset()) -> tuple[Origin, ...]:
        """Return the identities of a call under its own name and those that ``was`` gives, code being the same.

        Args:
            code: The fingerprint of today.
            types: The types of the objects in the arguments.
        """
        key = code, frozenset(types)
        found = self._origins.get(key)
        if found is None:
            if len(self._origins) >= _KEPT:
                self._origins.clear()
            found = self._origins[key] = tuple(self._found(code, types))
        return found

    def _found(self, code: Digest | None, types: Any) -> Iterator[Origin]:
        yield Origin(self.here, code)
        seen: set[tuple[Place, Digest | None, tuple[str, str] | None]] = set()
        for place in self.places:
            for origin in self._former(place, types):
                renaming = origin.renaming
                mark = place, origin.code, None if renaming is None else renaming.modules
                if mark not in seen:
                    seen.add(mark)
                    yield origin

    def _former(self, place: Place, types: Any) -> Iterator[Origin]:
        if self._options.code is None and not is_anonymous(place):
            for renaming in renamings(self.here, place):
                yield Origin(place, None, renaming)
            return
        watch = self._watch()
        for root in watch.elsewhere(types):
            for renaming in renamings(self.here, place):
                graph = renamed(root, renaming, deep=self._options.code == "deep")
                if graph is not None:
                    yield Origin(place, graph_digest(graph), renaming)

    def _watch(self) -> CodeWatch:
        """Return the watch over the code as it was in the key: without deep code, for anonymous places, its own."""
        memo = self._memo
        if memo.watch is not None:
            return memo.watch
        if self._own is None:
            self._own = CodeWatch(memo.function, mode="own", environment=self._options.environment)
        return self._own

    # -- what was accepted -------------------------------------------------------------------------------------

    def reached(self, cache: BaseCache, origins: tuple[Origin, ...]) -> Iterator[Step]:
        """Yield the fingerprints that count for those of today, by one acceptance after the other, nearest first.

        Raises:
            StoreError: The store cannot be read.
        """
        todo = [Step(code, {}) for code in dict.fromkeys(origin.code for origin in origins) if code is not None]
        seen = {step.code for step in todo}
        for step in todo:
            assert step.code is not None
            for said in cache.acceptances(step.code):
                added = _together(step.added, said.added)
                if said.old in seen or added is None:
                    continue
                seen.add(said.old)
                nearer = Step(said.old, added, (*step.through, said))
                yield nearer
                if len(seen) < _REACH:
                    todo.append(nearer)


def _together(one: Bare, other: Bare) -> Bare | None:
    """Return what two edits added, or None where they say two things of one parameter."""
    if any(one.get(name, each) != each for name, each in other.items()):
        return None
    return {**one, **other}


def _identity(memo: Memo) -> tuple[str, str]:
    from fleche.digest.code import function_identity

    return function_identity(memo.function)


def _named(cls: type) -> tuple[str, str]:
    from fleche.digest.names import canonical_name

    return canonical_name(cls)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | bytes | Digest)
