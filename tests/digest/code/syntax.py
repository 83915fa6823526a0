"""Syntax that versions of Python parse into different trees, or might: read by a test, never run."""

# ruff: noqa: A001, ANN, B, D, E, F, I, N, PLR, RUF, SIM, UP, C, ISC, PIE, PERF, RET, S, TRY, ARG, FURB
# mypy: ignore-errors


def strings(x, w):
    a = f"{x}" f"{w!r}" "tail" rf"\d{x}"
    b = f"{x=}" + f"{x = !s:>{w}}" + f"{x:{w}.{w}f}" + f"{{}}" + f"{x:}"
    c = "plainjoined" + "unicode" + f"no fields"
    d = f"""
    {x!a:^10} and {"nested" + str(x)} {x:%Y-%m-%d}
    """
    return a, b, c, d, b"bytesmore", ..., -0.0, 1e400, 2j, 10**30


def patterns(x):
    match x:
        case None | True | False:
            return 1
        case {"a": [1, *rest], **others} if rest:
            return others
        case str(real=y) as z:
            return z
        case -1 | 1 + 2j | "ab":
            return 2
        case [_, *_]:
            pass
        case _:
            ...


async def modern(x, /, y: int = 1, *args: str, k=lambda: 0, **kw) -> None:
    """Docstring."""
    global G
    async with x as (a, b), y:
        z: int
        w: int = 3
        (v): int = 4
        x.attr: int = 5
    async for i in x:
        [j async for j in i if await j]
    try:
        pass
    except* ValueError as e:
        raise RuntimeError from e
    while (n := next(x)) is not None:
        yield n
    else:
        assert n, "message"
    return


@modern
class Classes(dict, metaclass=type):
    """Docstring."""

    field: int = 3
    bare: "str"

    @property
    def p(self) -> int:
        return self.__private

    def plain(self, x: int) -> int:
        return x[1:2, ..., ::3], {**x, "a": 1}, [*x], print(*x, **x)
