"""The bytes are frozen: the golden vectors hold on every interpreter and under every hash seed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.digest import golden

pytestmark = [pytest.mark.portable, pytest.mark.filterwarnings("ignore:.*(the matrix subclass|beta state|Sparse)")]

ROOT = Path(__file__).parents[2]


def test_golden_vectors():
    """Every vector has its digest, with either algorithm."""
    assert golden.failures() == []


def test_there_are_enough():
    """The file has the size that is promised, and no expression twice."""
    expressions = [vector["expr"] for vector in golden.load()]
    assert len(expressions) == len(set(expressions)) >= 150


@pytest.mark.parametrize("seed", ["0", "1", "2", "3", "4294967295"])
def test_golden_vectors_under_other_hash_seeds(seed):
    """The order in which sets and dicts are walked does not show."""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-W", "ignore", "-m", "tests.digest.golden"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
