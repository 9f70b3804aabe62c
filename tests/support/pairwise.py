"""Covering arrays: few combinations of settings in which every pair of values occurs."""

from __future__ import annotations

import itertools
import random
from typing import Any, Callable, Mapping, Sequence

Combination = dict[str, Any]


def combinations(
    factors: Mapping[str, Sequence[Any]], valid: Callable[[Combination], bool] = lambda _: True
) -> list[Combination]:
    """Every combination of one value per factor that is `valid`."""
    rows = (dict(zip(factors, values)) for values in itertools.product(*factors.values()))
    return [row for row in rows if valid(row)]


def _pairs(row: Combination) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    return set(itertools.combinations(row.items(), 2))


def pairwise(candidates: Sequence[Combination], seed: int = 1) -> list[Combination]:
    """Some of `candidates` that together hold every pair of values which any of them holds; the same every time."""
    shuffled = list(candidates)
    random.Random(seed).shuffle(shuffled)
    left = set().union(*map(_pairs, shuffled))
    chosen: list[Combination] = []
    while left:
        best = max(shuffled, key=lambda row: len(_pairs(row) & left))
        chosen.append(best)
        left -= _pairs(best)
    return chosen
