"""What an analyst writes who has only the contracts: Confluent's own client and deserializer, the registry's address, public keys.

Nothing here may import the platform's packages; a test sees to that.
"""

from __future__ import annotations

import time
from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def read_topic(
    kafka: str, registry: str, topic: str, *, wanted: set[str], seconds: float = 20.0
) -> list[dict[str, Any]]:
    """The topic's events from its beginning, until one about each wanted ticket was among them."""
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": f"analyst-of-{topic}", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    try:
        while wanted - {event["ticket_id"] for event in found} and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append(deserialize(message.value(), SerializationContext(topic, MessageField.VALUE)))
    finally:
        consumer.close()
    return found


@dataclass(frozen=True)
class Signed:
    """A record with what its signature covers. The topic's name has its prefix; no header that counts is there twice."""

    topic: str
    partition: int
    key: bytes
    headers: dict[str, str]
    value: bytes

    def message(self) -> bytes:
        """By the words of the contract."""
        names = ("ce_id", "ce_type", "ce_tenantid", "ce_subject", "ce_time")
        texts = [self.topic.encode(), str(self.partition).encode(), self.key]
        texts += [self.headers[name].encode() for name in names]
        return b"".join(len(part).to_bytes(4, "big") + part for part in [*texts, sha256(self.value).digest()])


def verify(record: Signed, keys: list[dict[str, Any]]) -> dict[str, Any]:
    """The key, of those that `GET /keys` lists, that signed the record. Raises InvalidSignature if none did."""
    algorithm, key_id, signature = record.headers["signature"].split(";")
    (key,) = [key for key in keys if key["key_id"] == key_id]
    if algorithm != "ed25519":
        raise ValueError(algorithm)
    Ed25519PublicKey.from_public_bytes(b64decode(key["public_key"])).verify(b64decode(signature), record.message())
    return key
