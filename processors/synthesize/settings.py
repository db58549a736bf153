"""Settings of synthesize."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from infra.runtime.stream.settings import StageSettings
from processors.synthesize.writer.litellm_model import Account

MODEL_PACKAGE = "litellm"


def _callable(key: SecretStr) -> SecretStr:
    if find_spec(MODEL_PACKAGE) is None:
        raise ValueError("is set, but a model can't be called: pip install -c constraints.txt 'ticketstream[model]'")
    return key


class SynthesizeSettings(StageSettings):
    """Without an API key the built-in writer writes all notes. A model server of one's own needs a key too, any text."""

    database_url: str = Field(repr=False, alias="DATABASE_URL_SYNTHESIZE")
    openrouter_api_key: Annotated[SecretStr, AfterValidator(_callable)] | None = Field(None, alias="OPENROUTER_API_KEY")
    model_api_base: str | None = Field(None, pattern=r"^https?://")
    """Where the model is reached instead of OpenRouter: a server with the same API."""
    model_attempts: int = Field(3, ge=1, le=20)
    model_working_seconds: float = Field(60.0, ge=1, le=300)
    """The built-in writer answers after so many failed tries, or so much working time spent on them, whichever is first."""
    grace_seconds: float = Field(330.0, ge=0, le=3600)
    """How long running calls may finish after SIGTERM. Longer than any tenant's enhancement_timeout_seconds."""

    @property
    def account(self) -> Account | None:
        if self.openrouter_api_key is None:
            return None
        return Account(self.openrouter_api_key.get_secret_value(), self.model_api_base)
