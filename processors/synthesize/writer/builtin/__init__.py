"""The built-in writer: composes a note from the evidence by fixed rules, without a language model. It invents nothing: every
statement about the case is quoted from the tenant's own records and cited."""

from processors.synthesize.writer.builtin.builtin_writer import BuiltinWriter

__all__ = ["BuiltinWriter"]
