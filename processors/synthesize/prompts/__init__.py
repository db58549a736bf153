"""Prompts: what the model is told, as files, and how a task becomes one.

`VERSION` goes into every event: change it with the files.
"""

from processors.synthesize.prompts.prompt import VERSION, Prompt, prompt_for

__all__ = ["VERSION", "Prompt", "prompt_for"]
