"""Masking: secrets and personal data are taken out of a text before it leaves the platform. One file a family of rules.

Addresses of machines, host names and ticket numbers stay: the answer is about them. No rule is certain; each is tested with
hits and near misses.
"""

from processors.synthesize.writer.masking.masker import Masker, secrets_removed

__all__ = ["Masker", "secrets_removed"]
