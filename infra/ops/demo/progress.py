"""Live progress: two bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from typing import Any, Self

from infra.ops.cli.output import Output

LINES = 4


class Progress:
    """Webhooks sent and notes at the desks. For use as `with`."""

    def __init__(self, output: Output, *, webhooks: int, notes: int) -> None:
        self._output, self._totals = output, {"webhooks": webhooks, "notes": notes}
        self._done = dict.fromkeys(self._totals, 0)
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        console = self._output.console()
        if console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bars

            columns = (TextColumn("{task.description:<22}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
            self._bars = Bars(*columns, console=console)
            texts = {"webhooks": "webhooks answered", "notes": "notes on tickets"}
            self._tasks = {name: self._bars.add_task(text, total=self._totals[name]) for name, text in texts.items()}
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def webhooks(self, done: int) -> None:
        self._show("webhooks", done)

    def notes(self, done: int) -> None:
        self._show("notes", done)

    def _show(self, name: str, done: int) -> None:
        before, self._done[name] = self._done[name], done
        if self._bars is not None:
            self._bars.update(self._tasks[name], completed=done)
            return
        step = self._totals[name] // LINES if name == "webhooks" else self._totals[name]
        if done // step != before // step:
            total = self._totals
            self._output.say(
                f"webhooks answered {self._done['webhooks']}/{total['webhooks']}, "
                f"notes on tickets {self._done['notes']}/{total['notes']}"
            )
