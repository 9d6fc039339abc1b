"""Tables of DynamoDB that survive: moto's own, with every item written down as it changes.

moto tests a condition, then changes the item bit by bit, with nothing to keep other requests out: two writers may both
find their condition true, a reader may see an item half changed. Here one request is done at a time, from its first
look to its answer. An item is written down after it has changed and before the client is answered.
"""

from __future__ import annotations

import gc
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from local.aws.http_server import WsgiApp, with_body_read
from local.aws.state import State, StateError

log = logging.getLogger(__name__)

PROGRESS_ITEMS = 10_000  # a restore says how far it is after every so many


class DurableTables(DynamoDBBackend):
    """All tables of the region."""

    def __init__(self, state: State, region: str) -> None:
        self._state = state
        self._lock = threading.RLock()
        super().__init__(region, DEFAULT_ACCOUNT_ID)

    @classmethod
    def install(cls, state: State, region: str) -> DurableTables:
        """Puts these in the place of moto's own."""
        tables = cls(state, region)
        dynamodb_backends[DEFAULT_ACCOUNT_ID][region] = tables
        return tables

    def one_at_a_time(self, moto: WsgiApp) -> WsgiApp:
        """The WSGI application for DynamoDB's requests around moto's."""

        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            with_body_read(environ)
            with self._lock:
                return list(moto(environ, start_response))

        return application

    def create_table(self, name: str, *args: Any, **kwargs: Any) -> Table:
        """A table with what was left in it."""
        with self._lock:
            table = super().create_table(name, *args, **kwargs)
            self._restore(table)
            return table

    def delete_table(self, name: str) -> Table:
        """A table goes with its items."""
        with self._lock:
            table = super().delete_table(name)
            self._state.write("DELETE FROM item WHERE tab = ?", (table.name,))
            return table

    def put_item(self, table_name: str, item_attrs: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        """PutItem."""
        with self._lock:
            item = super().put_item(table_name, item_attrs, *args, **kwargs)
            self._keep(self.get_table(table_name), item_attrs)
            return item

    def update_item(self, table_name: str, key: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        """UpdateItem."""
        with self._lock:
            item = super().update_item(table_name, key, *args, **kwargs)
            self._keep(self.get_table(table_name), item.to_json()["Attributes"])
            return item

    def delete_item(self, table_name: str, key: dict[str, Any], *args: Any, **kwargs: Any) -> Item | None:
        """DeleteItem."""
        with self._lock:
            item = super().delete_item(table_name, key, *args, **kwargs)
            table = self.get_table(table_name)
            self._state.write("DELETE FROM item WHERE tab = ? AND key = ?", (table.name, _key_text(table, key)))
            return item

    def transact_write_items(self, transact_items: list[dict[str, Any]]) -> None:
        """TransactWriteItems: all or nothing, on disk too."""
        with self._lock, self._state.change():
            super().transact_write_items(transact_items)

    def execute_statement(self, *_: Any, **__: Any) -> Any:
        """PartiQL would go past what keeps items."""
        raise JsonRESTError("ValidationException", "The stand-in does not implement PartiQL.")

    execute_transaction = execute_statement
    batch_execute_statement = execute_statement
    import_table = execute_statement
    restore_table_from_backup = execute_statement
    restore_table_to_point_in_time = execute_statement

    def figures(self) -> dict[str, int]:
        """How many items each table has."""
        with self._lock:
            return {name: len(table) for name, table in self.tables.items()}

    def _keep(self, table: Table, attributes: dict[str, Any]) -> None:
        self._state.write(
            "INSERT OR REPLACE INTO item VALUES (?, ?, ?)",
            (table.name, _key_text(table, attributes), json.dumps(attributes, separators=(",", ":"))),
        )

    def _restore(self, table: Table) -> None:
        begin = time.monotonic()
        rows = self._state.read("SELECT attributes FROM item WHERE tab = ?", (table.name,))
        gc.disable()  # a third of the time otherwise goes into looking for garbage where there is none
        try:
            self._put_back_all(table, rows)
        finally:
            gc.enable()
        if rows:
            took_s = time.monotonic() - begin
            log.info("restored_items table=%s items=%d seconds=%.1f", table.name, len(rows), took_s)

    def _put_back_all(self, table: Table, rows: Sequence[tuple[str]]) -> None:
        for number, (text,) in enumerate(rows, 1):
            attributes = json.loads(text)
            if not set(_key_names(table)) <= set(attributes):
                raise StateError(f"an item of table {table.name} has no {_key_names(table)}: its keys have changed")
            _put_back(table, attributes)
            if number % PROGRESS_ITEMS == 0:
                log.info("restoring_items table=%s done=%d of=%d", table.name, number, len(rows))


def _put_back(table: Table, attributes: dict[str, Any]) -> None:
    """An item that was valid when it was written: moto would measure it again after each attribute."""
    keys = [DynamoType(attributes[name]) for name in _key_names(table)]
    item = Item(keys[0], keys[1] if len(keys) > 1 else None, {})
    dict.update(item.attrs, {name: DynamoType(value) for name, value in attributes.items()})
    if len(keys) > 1:
        table.items[keys[0]][keys[1]] = item
    else:
        table.items[keys[0]] = item  # type: ignore[assignment]


def _key_names(table: Table) -> Sequence[str]:
    return [name for name in (table.hash_key_attr, table.range_key_attr) if name is not None]


def _key_text(table: Table, attributes: dict[str, Any]) -> str:
    return json.dumps([attributes[name] for name in _key_names(table)], separators=(",", ":"))
