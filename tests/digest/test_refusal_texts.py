"""What refusals say, as it was written."""

import json
from pathlib import Path

from tests.digest.refused import texts


def test_the_texts_are_those_that_were_written():
    """Each kind has its own text, with three ways out; ``python -m tests.digest.refused`` writes them anew."""
    golden = json.loads((Path(__file__).parent / "refused.json").read_text(encoding="utf-8"))
    assert len(golden) >= 25
    assert texts() == golden
    for name, lines in golden.items():
        assert len(lines) == 4, name
        assert sum("cfg" in line for line in lines) >= 2, name
