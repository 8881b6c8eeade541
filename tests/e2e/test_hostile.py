"""Hostile clients of the real program, at a size that takes seconds; `make soak` takes the full one."""

from pathlib import Path

import pytest
from benchmarks.hostile import ATTACKS, measure

SHARES = {"bombs": 0.02, "large": 0.05, "tiny": 0.02, "idle": 0.05, "heads": 0.05, "bodies": 0.05}


@pytest.mark.parametrize("attack", ATTACKS)
def test_real_posts_get_through_and_memory_stays_bounded(attack: str, tmp_path: Path) -> None:
    found = measure(attack, tmp_path, SHARES[attack])
    assert found.posts > 0
    assert found.peak_mib < 1024
