"""What litellm calls the models that a tenant may choose. OpenRouter's names: openrouter.ai/models."""

from __future__ import annotations

from sinks.postgres.tenant_settings import MODELS


def litellm_name(choice: str) -> str | None:
    """None if the choice isn't on the list, which may have become shorter since it was made."""
    return f"openrouter/openai/{choice}" if choice in MODELS else None
