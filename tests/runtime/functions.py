"""Functions that tests make tasks of."""

from __future__ import annotations

from typing import Any

from fleche import cached

RAN: list[Any] = []


def double(x: int) -> int:
    return 2 * x


def twice(x: int) -> int:
    return x + x


def shout(text: str, *, times: int = 1) -> str:
    return text.upper() * times


async def later(x: int) -> int:
    return x + 1


def generate() -> Any:
    yield 1


@cached(version=7, ignore="log")
def remembered(x: int, log: Any = None) -> int:
    RAN.append(x)
    return x * 10


@cached(code=None)
def passed(value: Any) -> Any:
    return value


class Holder:
    class Broken(Exception): ...

    def method(self) -> int:
        return 1


def logs(value: int) -> None:
    from fleche.runtime.context import _invocations

    (here,) = _invocations.get().values()
    here.task.logger.info("value %s", value)
