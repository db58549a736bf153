"""schemas: what every process agrees on: topics, events, wire format, envelope, ids, signatures, reasons. No I/O in here."""
