"""What the methods of a judgement of painters are called."""

from __future__ import annotations

BLANK = "blank"
PAINTER = "painter"
PAINTER_MEAN = "painter mean"
OURS = (PAINTER, PAINTER_MEAN)
