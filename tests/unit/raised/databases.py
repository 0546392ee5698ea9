"""Exceptions of databases: SQLite's provoked, the others made as their drivers do."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import psycopg
import psycopg.errors
import sqlalchemy
import sqlalchemy.exc
import sqlalchemy.pool

from tests.unit.raised.case import Case, P, R, T, alike
from workflow_worker import ErrorCategory


def _sqlite(*statements: str) -> object:
    """Run statements in one connection, and read a row of the last one."""
    with closing(sqlite3.connect(":memory:")) as connection:
        cursors = [connection.execute(statement) for statement in statements]
        return cursors[-1].fetchone()


def _while_written(file: Path) -> object:
    """Write to a database that another connection writes to."""
    with (
        closing(sqlite3.connect(file, timeout=0)) as writer,
        closing(sqlite3.connect(file, timeout=0)) as other,
    ):
        writer.execute("begin immediate")
        return other.execute("begin immediate")


def _busy() -> object:
    with tempfile.TemporaryDirectory() as folder:
        return _while_written(Path(folder, "x.db"))


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


def _sqlalchemy(*statements: str) -> object:
    """Run statements with SQLAlchemy, on SQLite."""
    engine = sqlalchemy.create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            found = [connection.execute(sqlalchemy.text(each)) for each in statements]
            return found[-1].fetchone()
    finally:
        engine.dispose()


def _no_connection_left() -> object:
    pool = sqlalchemy.pool.QueuePool(
        lambda: sqlite3.connect(":memory:"), pool_size=1, max_overflow=0, timeout=0.001
    )
    taken = pool.connect()
    try:
        return pool.connect()
    finally:
        taken.close()
        pool.dispose()


def wrapped(orig: Exception, *, invalidated: bool = False) -> Exception:
    """Return what SQLAlchemy makes of a driver's error."""
    made = sqlalchemy.exc.DBAPIError.instance(
        "select 1", {}, orig, psycopg.Error, connection_invalidated=invalidated
    )
    assert isinstance(made, sqlalchemy.exc.DBAPIError)
    return made


def _state(sqlstate: str, category: ErrorCategory, reason: str) -> Case:
    return Case(
        f"psycopg {sqlstate}",
        lambda: psycopg.errors.lookup(sqlstate)("x"),
        category,
        f"SQLSTATE {sqlstate}: {reason}",
    )


def _wrapped_state(sqlstate: str, category: ErrorCategory) -> Case:
    return Case(
        f"SQLAlchemy around {sqlstate}",
        lambda: wrapped(psycopg.errors.lookup(sqlstate)("x")),
        category,
        f"SQLSTATE {sqlstate}: ",
    )


def _driver(name: str, category: ErrorCategory, rule: str, *args: object) -> Case:
    """Return a case of a driver that is not installed; args as it gives them."""
    module = name.rpartition(".")[0]
    root = alike(f"{module}.Error")
    kind = root if name.endswith(".Error") else alike(name, root)
    return Case(f"{name} {args}", lambda: kind(*args), category, rule)


class _StatedError(Exception):
    """What mysql.connector, PyMySQL and asyncpg have beside the message."""

    def __init__(self, number: int, message: str, sqlstate: str | None) -> None:
        super().__init__(number, message)
        self.sqlstate = sqlstate


class _CodedError(Exception):
    """What psycopg2 has."""

    pgcode = "40001"


_CONNECTOR = "mysql.connector.errors."
_PYMYSQL = alike(
    "pymysql.err.OperationalError", _StatedError, alike("pymysql.err.Error")
)
_LOST = (2013, "Lost connection to MySQL server during query")

DATABASES = [
    Case(
        "SQLite: twice",
        lambda: _sqlite("create table t (a unique)", *["insert into t values (1)"] * 2),
        P,
        "sqlite3.Error",
    ),
    Case("SQLite: no table", lambda: _sqlite("select 1 from t"), P, "sqlite3.Error"),
    Case("SQLite: busy", _busy, R, "SQLite: database is busy"),
    Case(
        "SQLite: locked",
        lambda: _sqlite(
            "create table t (a)",
            "insert into t values (1), (2)",
            "select a from t",
            "drop table t",
        ),
        R,
        "SQLite: table is locked",
    ),
    Case(
        "SQLite: full",
        lambda: _sqlite("pragma max_page_count = 1", "create table t (a)"),
        R,
        "SQLite: disk full",
    ),
    Case("SQLite: I/O", lambda: sqlite_error(10 | 3 << 8), R, "SQLite: I/O error"),
    Case(
        "psycopg: nobody there",
        lambda: psycopg.connect("host=127.0.0.1 port=1 connect_timeout=2"),
        R,
        "psycopg.OperationalError",
    ),
    Case(
        "psycopg: closed",
        lambda: psycopg.InterfaceError("the connection is closed"),
        R,
        "psycopg.InterfaceError",
    ),
    Case(
        "psycopg: placeholders",
        lambda: psycopg.ProgrammingError("the query has 1 placeholder"),
        P,
        "psycopg.Error",
    ),
    _state("40001", T, "serialization failure"),
    _state("40P01", T, "deadlock"),
    _state("40003", T, "transaction rolled back"),
    _state("55P03", T, "lock not available"),
    _state("08006", R, "connection failure"),
    _state("53300", R, "insufficient resources"),
    _state("57014", R, "canceled by a time limit"),
    _state("57P01", R, "operator intervention"),
    _state("58030", R, "system error"),
    _state("25006", R, "read-only: a failover"),
    _state("23505", P, "the statement itself is refused"),
    _state("22012", P, "the statement itself is refused"),
    _state("42P01", P, "the statement itself is refused"),
    _state("28P01", P, "the statement itself is refused"),
    _state("3D000", P, "the statement itself is refused"),
    _state("55000", P, "the statement itself is refused"),
    Case(
        "ODBC's time limit",
        lambda: _StatedError(0, "Timeout expired", "HYT00"),
        R,
        "SQLSTATE HYT00: a time limit",
    ),
    _driver("psycopg_pool.PoolTimeout", R, "psycopg_pool.PoolTimeout"),
    _driver("psycopg2.OperationalError", R, "psycopg2.OperationalError"),
    _driver("psycopg2.InterfaceError", R, "psycopg2.InterfaceError"),
    _driver("psycopg2.IntegrityError", P, "psycopg2.Error"),
    Case(
        "psycopg2 40001",
        lambda: alike("psycopg2.errors.SerializationFailure", _CodedError)("x"),
        T,
        "SQLSTATE 40001: serialization failure",
    ),
    _driver("pymysql.err.OperationalError", R, "pymysql.err.OperationalError", *_LOST),
    _driver("pymysql.err.InterfaceError", R, "pymysql.err.InterfaceError", 0, ""),
    _driver("pymysql.err.DataError", P, "pymysql.err.Error", 1406, "too long"),
    _driver("pymysql.err.OperationalError", T, "MySQL error 1213: deadlock", 1213, "x"),
    Case(
        "PyMySQL 1205, whose SQLSTATE says nothing",
        lambda: _PYMYSQL(1205, "Lock wait timeout exceeded", "HY000"),
        T,
        "MySQL error 1205: lock wait timeout",
    ),
    Case(
        "PyMySQL, another one whose SQLSTATE says nothing",
        lambda: _PYMYSQL(1030, "Got error 28 from storage engine", "HY000"),
        R,
        "pymysql.err.OperationalError",
    ),
    Case(
        "PyMySQL 1213, whose SQLSTATE says less",
        lambda: _PYMYSQL(1213, "Deadlock found", "40001"),
        T,
        "MySQL error 1213: deadlock",
    ),
    Case(
        "PyMySQL 1054",
        lambda: _PYMYSQL(1054, "Unknown column", "42S22"),
        P,
        "SQLSTATE 42S22: the statement itself is refused",
    ),
    _driver("MySQLdb.OperationalError", R, "MySQLdb.OperationalError", *_LOST),
    _driver("MySQLdb.OperationalError", T, "MySQL error 1205: ", 1205, "x"),
    _driver("MySQLdb.InterfaceError", R, "MySQLdb.InterfaceError", 0, ""),
    _driver("MySQLdb.IntegrityError", P, "MySQLdb.Error", 1062, "twice"),
    *(
        _driver(f"{_CONNECTOR}{name}", R, f"{_CONNECTOR}{name}", -1, "x")
        for name in (
            "OperationalError",
            "InterfaceError",
            "PoolError",
            "ConnectionTimeoutError",
            "ReadTimeoutError",
            "WriteTimeoutError",
        )
    ),
    _driver(f"{_CONNECTOR}DatabaseError", T, "MySQL error 1213: deadlock", 1213, "x"),
    _driver(f"{_CONNECTOR}DataError", P, f"{_CONNECTOR}Error", 1406, "too long"),
    Case(
        "SQLAlchemy: twice",
        lambda: _sqlalchemy(
            "create table t (a unique)", *["insert into t values (1)"] * 2
        ),
        P,
        "sqlite3.Error",
    ),
    Case(
        "SQLAlchemy: no row",
        lambda: sqlalchemy.exc.NoResultFound("x"),
        P,
        "sqlalchemy.exc.SQLAlchemyError",
    ),
    Case(
        "SQLAlchemy: pool",
        _no_connection_left,
        R,
        "sqlalchemy.exc.TimeoutError",
    ),
    Case(
        "SQLAlchemy: disconnected",
        lambda: sqlalchemy.exc.DisconnectionError("x"),
        R,
        "sqlalchemy.exc.DisconnectionError",
    ),
    _wrapped_state("40001", T),
    _wrapped_state("40P01", T),
    _wrapped_state("57P01", R),
    _wrapped_state("23505", P),
    Case(
        "SQLAlchemy around a broken connection",
        lambda: wrapped(psycopg.OperationalError("x"), invalidated=True),
        T,
        "a broken connection; a new one may do",
    ),
    *(
        Case(
            f"SQLAlchemy: {kind.__name__} of a driver without rules",
            lambda kind=kind: kind("select 1", {}, RuntimeError("ORA-12541")),
            category,
            f"sqlalchemy.exc.{rule}",
        )
        for kind, category, rule in (
            (sqlalchemy.exc.OperationalError, R, "OperationalError"),
            (sqlalchemy.exc.InterfaceError, R, "InterfaceError"),
            (sqlalchemy.exc.IntegrityError, P, "SQLAlchemyError"),
        )
    ),
]
