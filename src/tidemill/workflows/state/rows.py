"""Executions as rows: the document in MessagePack, the columns that search needs, and the limit on size."""

from __future__ import annotations

from typing import Any

import msgspec

from tidemill.workflows.ports import ExecutionRow
from tidemill.workflows.state.state import Execution, Task

DOCUMENT_BYTES_MAX = 10 * 1024 * 1024

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Execution)
_value_decoder = msgspec.msgpack.Decoder()
_task_decoder = msgspec.msgpack.Decoder(Task)


def row_of(execution: Execution, revision: int) -> ExecutionRow:
    """The row to be written. `revision` is the one that was read, 0 for a new execution."""
    return ExecutionRow(
        execution.id,
        execution.name,
        execution.version,
        execution.status,
        execution.correlation_id,
        execution.created_ms,
        execution.updated_ms,
        execution.ended_ms,
        revision,
        _pack(execution),
    )


def execution_of_row(row: ExecutionRow) -> Execution:
    return _decoder.decode(row.document)


def pack(execution: Execution) -> bytes:
    return _pack(execution)


def unpack(document: bytes) -> Execution:
    return _decoder.decode(document)


def pack_task(task: Task) -> bytes:
    """The document of a task that has a row of its own."""
    return _pack(task)


def task_of(document: bytes) -> Task:
    return _task_decoder.decode(document)


def pack_value(value: Any) -> bytes:
    return _pack(value)


def unpack_value(document: bytes) -> Any:
    return _value_decoder.decode(document)


def shed(execution: Execution) -> None:
    """Makes a document fit that does not: its largest values are replaced by their size, until it does."""
    bytes_max = DOCUMENT_BYTES_MAX // 2
    while bytes_max > 100 and len(_pack(execution)) > DOCUMENT_BYTES_MAX:
        for task in execution.tasks:
            task.input = _cut(task.input, bytes_max)
            task.output = _cut(task.output, bytes_max)
        execution.variables = _cut(execution.variables, bytes_max)
        execution.output = _cut(execution.output, bytes_max)
        execution.input = _cut(execution.input, bytes_max)
        bytes_max //= 4


def _cut(value: Any, bytes_max: int) -> Any:
    size = len(_pack(value))
    return value if size <= bytes_max else {"omitted_bytes": size}


def _pack(value: Any) -> bytes:
    try:
        return _encoder.encode(value)
    except OverflowError:
        return _encoder.encode(_narrow(msgspec.to_builtins(value)))


def _narrow(value: Any) -> Any:
    """MessagePack ends at 64 bits: larger integers become floating point numbers, as they are in JavaScript."""
    if isinstance(value, dict):
        return {key: _narrow(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_narrow(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        try:
            return float(value)
        except OverflowError:
            return str(value)
    return value
