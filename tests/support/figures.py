"""Figures of long tests, for people: they outlive the test in `build/figures`, and `tests/run.py` prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Mapping

FOLDER = Path(__file__).resolve().parents[2] / "build" / "figures"


def keep_figures(name: str, figures: Mapping[str, int]) -> None:
    """Write them to the file `name`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(figures))
