"""Network inventory: CSV or JSON lines with `asset_id,hostname,address,kind,site,end_customer,role,notes`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.ops.cli.imports.fields import collect, network, optional, required
from infra.ops.cli.imports.records import Record, read_records


@dataclass(frozen=True, slots=True)
class Device:
    """`address` is an IP address, or a network in CIDR notation for a subnet."""

    asset_id: str
    hostname: str  # the asset id where the device has no name
    address: str
    kind: str
    site: str | None = None
    end_customer: str | None = None
    role: str | None = None
    notes: str | None = None


def read_devices(path: Path) -> list[Device]:
    """Every row of a file. Raises BadRows with all that is wrong."""
    return collect(read_records(path), _device, lambda device: device.asset_id, path)


def _device(record: Record) -> Device:
    return Device(
        asset_id=required(record, "asset_id", longest=200),
        hostname=optional(record, "hostname") or required(record, "asset_id", longest=200),
        address=network(record, "address"),
        kind=required(record, "kind"),
        site=optional(record, "site"),
        end_customer=optional(record, "end_customer"),
        role=optional(record, "role"),
        notes=optional(record, "notes", longest=2000),
    )
