"""Events as bytes: Avro in the Confluent wire format (a zero byte, the schema's id as 4 bytes big-endian, the Avro body).

Source: Confluent, "Wire format" in the Schema Registry documentation; Apache Avro 1.12, "Binary encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import fastavro

from schemas import catalogue
from schemas.catalogue import SchemaVersion
from schemas.records import from_record
from schemas.topics import MAX_EVENT_BYTES, Topic

_HEADER = struct.Struct(">BI")


class WireError(ValueError):
    """The bytes are not an event. `Malformed`, `UnknownSchema` and `TooLarge` say in what way."""


class Malformed(WireError): ...


class UnknownSchema(WireError): ...


class TooLarge(WireError): ...


@dataclass(frozen=True, slots=True)
class Codec:
    """Writes with the newest schema of each event, reads any version. `registered` maps ids that a schema registry gave out to
    our own, for events written with those; the fixed ids are always understood."""

    registered: Mapping[int, int] = field(default_factory=dict)
    writes_as: Mapping[int, int] = field(default_factory=dict)

    def encode(self, event: Any) -> bytes:
        """Raises TooLarge above 256 KiB, but for dead letters, which carry another record whole."""
        schema = catalogue.NEWEST[type(event)]
        value = bytearray(_HEADER.pack(0, self.writes_as.get(schema.schema_id, schema.schema_id)))
        try:
            schema.write(value, event)
        except (AttributeError, TypeError) as error:
            raise TypeError(f"a {type(event).__name__} with a value that its schema doesn't allow: {error}") from error
        if len(value) > MAX_EVENT_BYTES and schema.topic is not Topic.DEAD_LETTERS:
            raise TooLarge(f"{type(event).__name__} is {len(value)} bytes, at most {MAX_EVENT_BYTES} are allowed")
        return bytes(value)

    def decode(self, value: bytes, topic: Topic) -> Any:
        """The event, whose type is that of the topic. Raises a WireError that says what is wrong."""
        schema = self._schema(value, topic)
        try:
            body = BytesIO(value[_HEADER.size :])
            record = fastavro.schemaless_reader(body, schema.parsed, None)
            if not isinstance(record, dict):
                raise TypeError("not a record")
            if left := len(value) - _HEADER.size - body.tell():
                raise ValueError(f"{left} bytes follow the record")
            return from_record(schema.event, record)
        except Exception as error:  # fastavro raises a dozen kinds on hostile bytes
            raise Malformed(f"not readable as {schema.event.__name__}: {type(error).__name__}: {error}") from error

    def _schema(self, value: bytes, topic: Topic) -> SchemaVersion:
        if len(value) > MAX_EVENT_BYTES and topic is not Topic.DEAD_LETTERS:
            raise TooLarge(f"{len(value)} bytes, at most {MAX_EVENT_BYTES} are allowed")
        if len(value) <= _HEADER.size or value[0] != 0:
            raise Malformed("not in the Confluent wire format (a zero byte and a schema id in front)")
        (_, schema_id) = _HEADER.unpack_from(value)
        schema = catalogue.BY_ID.get(self.registered.get(schema_id, schema_id))
        if schema is None:
            raise UnknownSchema(f"schema id {schema_id} is not one of ours")
        if schema.topic is not topic:
            raise UnknownSchema(f"schema id {schema_id} is {schema.event.__name__}, which does not belong on {topic}")
        return schema
