"""Command lines run in this process: a process of its own would import everything anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def exit_code(monkeypatch: pytest.MonkeyPatch, main: Callable[[], object], *arguments: object) -> int:
    """What a command ends with."""
    monkeypatch.setattr("sys.argv", ["command", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)
