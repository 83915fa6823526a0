"""What is asked of the database, who is let in, and what others write into it."""

from __future__ import annotations

import json
import pickle
import traceback

import pytest
from sqlalchemy import event, select, update

from fleche.call.records import DigestedCall, QueryCall
from fleche.digest import digest
from fleche.errors import ConfigError, DamagedError, FormatError, SaveError, StoreError, UntrustedError
from fleche.storage.base import CodeRecord
from fleche.storage.checking import Fault
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
from fleche.storage.sql import Sql, SqlStore
from fleche.storage.sql.schema import calls, meta, values
from fleche.storage.sql.seal import quarantine


class Log(list):
    """What an engine is told: statements, and ends of transactions."""

    def __init__(self, store):
        super().__init__()
        store.calls.count()
        engine = store.connections._engine
        event.listen(engine, "before_cursor_execute", lambda *given: self.append(given[2]))
        event.listen(engine, "commit", lambda *given: self.append("COMMIT"))

    def statements(self):
        return [text for text in self if text != "COMMIT"]


@pytest.mark.parametrize("value", [1.5, "x" * 5000], ids=["in the row", "among the values"])
def test_a_hit_is_one_statement(store, file, result, value):
    """Lookup and decoding ask the database once; that a call is unknown is found out by one statement too."""
    call = file(store, 1, value)
    log = Log(store)
    assert result(store, call) == value
    assert len(log) == 1
    assert store.lookup(digest("unknown")) is None
    assert len(log) == 2


def test_a_shared_result_is_one_statement(store, file, make_call, result):
    """A hit whose result lies in the row of another call is one statement as well."""
    file(store, 1, 1.5)
    call = make_call(2, result=digest(1.5))
    store.record(call, {})
    log = Log(store)
    assert result(store, call) == 1.5
    assert len(log) == 1


def test_filing_is_one_transaction_of_few_statements(store, make_call, dialect):
    """Everything of a call is committed once, in few statements, and fewer where its function is known."""
    log = Log(store)
    counts = []
    for x in range(2):
        log.clear()
        call = make_call(
            x, result=digest("v" * 5000), metadata={"environment": {"a": 1}, "tags": {}}, inputs=(digest(1),)
        )
        code = CodeRecord(digest("code"), "deep", "{}", "source")
        kept = {digest(v): Envelope.pack(v) for v in ("v" * 5000, "z" * 9)}
        store.record(call, kept, code=code)
        assert log.count("COMMIT") == 1
        assert log[-1] == "COMMIT"
        counts.append(len([text for text in log.statements() if not text.startswith("BEGIN")]))
    assert counts == [12, 5]


def test_a_foreign_function_table_is_noticed(store, file, result):
    """Where rows that this process knew are gone, filing adds them again."""
    store.calls.evict(file(store, 1, "x").key)
    from fleche.storage.sql.schema import functions

    store.connections.write(lambda connection: connection.execute(functions.delete()))
    assert result(store, file(store, 2, "y")) == "y"
    assert [call.name for call in store.calls.query(QueryCall(name="f"))] == ["f"]


def test_nul_in_names(store, make_call):
    """Names with NUL and with the character that stands for it come back as they are."""
    for number, name in enumerate(["\x00", "\x1a", "\x1a0", "a\x1a\x00\x1a1"]):
        call = make_call(number, name=name, metadata={name: {name: name}})
        store.calls.save(call)
        assert store.calls.load(call.key).name == name
        assert dict(store.calls.load(call.key).metadata) == {name: {name: name}}
        assert len(list(store.calls.query(QueryCall(name=name)))) == 1


def test_a_value_beyond_the_limit_is_refused(make_store, make_call):
    """A value that is too large is refused before anything is sent, with the way out."""
    store = make_store(largest=1000)
    with pytest.raises(SaveError, match="largest=") as caught:
        store.record(make_call(1, result=digest("x" * 2000)), {digest("x" * 2000): Envelope.pack("x" * 2000)})
    assert "1,000" in str(caught.value)
    assert store.calls.count() == 0


def test_names_beyond_an_index_are_refused(on_server, make_call):
    """What PostgreSQL cannot index is a `SaveError`."""
    import random

    store = SqlStore(**on_server)
    noise = random.Random(1)
    with pytest.raises(SaveError, match="refuses"):
        store.calls.save(make_call(1, name="".join(chr(noise.randrange(33, 0xD000)) for _ in range(9000))))
    assert store.calls.count() == 0
    store.close()


def test_several_stores_in_one_database(server, on_server, file):
    """Schemas separate stores, and nothing is made outside of its own."""
    one, other = SqlStore(**on_server), SqlStore(**{**on_server, "schema": on_server["schema"] + 'ü "x"'})
    file(one, 1, "x")
    assert (one.calls.count(), other.calls.count()) == (1, 0)
    assert server.ask("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")[0] == (0,)
    one.close()
    other.close()


def test_values_are_built_with_care(make_store, file, make_call, result, tmp_path):
    """A database is not trusted: plain values are built, classes are not; ``trust=True`` says otherwise."""
    store = make_store()
    assert store.trusted is False
    assert store.describe()["trusted"] is False
    assert store.refuses([1, 2]) is None
    assert isinstance(store.refuses(Opaque()), UntrustedError)
    call = file(store, 1, Opaque())
    with pytest.raises(UntrustedError):
        result(store, call)
    trusting = make_store(trust=True)
    assert isinstance(result(trusting, call), Opaque)
    assert trusting.refuses(Opaque()) is None


class Opaque:
    """A class that is on no list."""

    def __digest__(self):
        return digest("opaque")


class Bomb:
    """Runs code when it is built."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


@pytest.mark.parametrize("place", ["row", "value"])
def test_a_pickle_bomb_is_never_executed(store, file, make_call, result, tmp_path, place):
    """What someone writes straight into the tables runs nothing, however it is read."""
    fuse = tmp_path / "fuse"
    call = file(store, 1, 1.5 if place == "row" else "x" * 5000)
    envelope = Envelope.pack(Bomb(fuse))
    cells = {"envelope": envelope.to_bytes(), "form": bytes.fromhex(envelope.form)}

    def plant(connection):
        if place == "row":
            connection.execute(update(calls).values(cells))
        else:
            connection.execute(update(values).values(cells))
            connection.execute(update(calls).values(form=cells["form"]))

    store.connections.write(plant)
    with pytest.raises(UntrustedError):
        result(store, call)
    with pytest.raises(UntrustedError):
        store.values.load(call.result)
    list(store.check(repair=True))
    assert not fuse.exists()
    assert store.lookup(call.key).envelope is not None


@pytest.mark.parametrize("value", [1.5, "x" * 5000], ids=["in the row", "among the values"])
def test_a_damaged_value_is_a_miss(store, file, result, value):
    """Bytes that are not what was written are set aside, and replaced by the next filing."""
    call = file(store, 1, value)
    hurt(store)
    hit = store.lookup(call.key)
    assert hit.envelope is None
    assert isinstance(hit.damage, DamagedError)
    kept = store.connections.read(lambda connection: connection.execute(select(quarantine)).all())
    assert [row.digest for row in kept] == [call.result.raw]
    assert store.lookup(call.key).damage is None
    with pytest.raises(KeyError):
        store.values.load(call.result)
    file(store, 1, value)
    assert result(store, call) == value


def hurt(store):
    """Flip the last byte of each envelope."""

    def work(connection):
        for table in (calls, values):
            found = connection.execute(select(table.c.id, table.c.envelope).where(table.c.envelope.is_not(None))).all()
            for number, data in found:
                data = data[:-1] + bytes([data[-1] ^ 1])
                connection.execute(update(table).where(table.c.id == number).values(envelope=data))

    store.connections.write(work)


def test_checking(store, file, make_call):
    """A look over the store finds what is damaged, missing and misfiled, and sets damage aside if asked."""
    for x, value in enumerate([1.5, "x" * 5000]):
        file(store, x, value)
    store.calls.save(make_call(7, result=digest("not stored")))
    assert [(f.fault, f.what) for f in store.check()] == [(Fault.MISSING, "call")]
    hurt(store)
    assert [f.fault for f in store.check()] == [Fault.DAMAGED] * 2 + [Fault.MISSING]
    assert all(f.mended for f in store.check(repair=True) if f.fault is Fault.DAMAGED)
    assert [f.fault for f in store.check()] == [Fault.MISSING] * 3
    store.connections.write(lambda connection: connection.execute(update(calls).values(parent=None, function=1)))
    key = digest("elsewhere").raw
    store.connections.write(lambda c: c.execute(update(calls).where(calls.c.result == digest(1.5).raw).values(key=key)))
    assert Fault.MISFILED in {f.fault for f in store.check()}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("format", "2", "has format 2"),
        ("schema", "9", "tables 9"),
        ("algorithm", "md7", "FLECHE_DIGEST=md7"),
        ("layout", "rings", "layout 'rings'"),
        ("program", "other", "another program"),
    ],
)
def test_another_format_is_refused(store, address, name, value, words):
    """A store of another format, algorithm or program is refused with the reason; a later minor format is not."""

    def change(name, value):
        store.connections.write(lambda c: c.execute(update(meta).where(meta.c.name == name).values(value=value)))

    change("minor", "7")
    SqlStore(**address).close()
    change(name, value)
    with pytest.raises(FormatError, match=words):
        SqlStore(**address)


def test_tables_of_another_program_are_refused(address):
    """A database or schema that holds other tables of these names is left alone."""
    store = SqlStore(**address)
    store.connections.write(lambda connection: meta.drop(connection))
    store.close()
    with pytest.raises(FormatError, match="of another program"):
        SqlStore(**address)


def test_the_index_of_a_directory_is_refused(tmp_path):
    """The index of an embedded store is not taken for a store of its own."""
    EmbeddedStore(tmp_path / "store").close()
    with pytest.raises(FormatError, match="open that directory"):
        SqlStore(f"sqlite:///{tmp_path}/store/index.db")


def test_a_store_that_is_not_to_be_made(address):
    """With ``create=False`` nothing is made."""
    with pytest.raises(StoreError, match="there is no store"):
        SqlStore(**address, create=False)
    with pytest.raises(StoreError, match="there is no store"):
        SqlStore(**address, create=False)


@pytest.mark.parametrize(
    ("url", "words"),
    [("nonsense", "no URL"), ("mysql://x/y", "not supported"), ("postgresql+nothing://x/y", "not supported")],
)
def test_what_is_no_address(url, words):
    """A URL that is none, or of another database, is a `ConfigError`."""
    with pytest.raises(ConfigError, match=words):
        SqlStore(url)
    with pytest.raises(ConfigError, match="has no schemas"):
        SqlStore("sqlite://", schema="x")
    with pytest.raises(ConfigError, match="exclude"):
        SqlStore("sqlite://", trust=True, loader=object())


def test_a_wrong_password_is_one_clear_error(server, on_server):
    """Who is not let in is told so, with host, user and database, and never with the password."""
    server.demand_password("careful", "right-p%40ss")
    url = "postgresql://careful:{}@/postgres?host=" + server.running.get_uri().partition("host=")[2]
    place = {**on_server, "url": url.format("wr0ng-p%40ss")}
    with pytest.raises(StoreError, match="password") as caught:
        SqlStore(**place)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)
    assert "careful@" in str(caught.value)
    assert "wr0ng" not in shown
    store = SqlStore(**{**on_server, "url": url.format("right-p%2540ss")})
    shown = (
        repr(store) + json.dumps(store.describe()) + repr(store.address) + repr(store.values) + repr(store.connections)
    )
    assert "right-p" not in shown
    copy = pickle.loads(pickle.dumps(store))
    assert copy.calls.count() == 0
    copy.close()
    store.close()


def test_a_server_that_is_not_there(tmp_path):
    """A server that does not answer is a `StoreError` that names it."""
    pytest.importorskip("psycopg", reason="the driver is not installed")
    with pytest.raises(StoreError, match=r"ada@127\.0\.0\.1:1/science"):
        SqlStore("postgresql://ada:secret@127.0.0.1:1/science?connect_timeout=2")


def test_records_alone():
    """`Sql` keeps records in memory unless a URL is given, and says which store it is a face of."""
    calls = Sql()
    key = calls.save(DigestedCall(module="m", name="f"))
    assert calls.store.calls is calls
    assert calls.load(key[:8]).name == "f"
    with pytest.raises(TypeError, match="another process"):
        pickle.dumps(calls)


def test_records_alone_in_a_file(tmp_path):
    """`Sql` with a URL keeps records for the next process, and is pickled as its address."""
    calls = Sql(f"sqlite:///{tmp_path}/calls.db")
    key = calls.save(DigestedCall(module="m", name="f"))
    again = pickle.loads(pickle.dumps(calls))
    assert again.contains(key)
    again.store.close()
    calls.close()
