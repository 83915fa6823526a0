"""A column of polars' without a name came back as ``column_0``."""

import pytest

from fleche.digest import digest
from fleche.storage.envelope import Envelope
from fleche.storage.loader import TRUSTED
from fleche.storage.safe_loader import SAFE


@pytest.mark.parametrize("loader", [TRUSTED, SAFE])
def test_columns_without_a_name_come_back_without_one(loader):
    """Series have none unless they are given one; tables may have such a column, beside any other."""
    pl = pytest.importorskip("polars", reason="polars is not installed")
    values = [
        pl.Series([1, 2]),
        pl.Series([], dtype=pl.Int8),
        pl.DataFrame({"column_0": [1], "": ["a"], "0": [None]}),
        pl.DataFrame([pl.Series("o", [{}], dtype=pl.Object), pl.Series("", [2]), pl.Series("b", [3])]),
    ]
    for value in values:
        kept = Envelope.pack(value).load(loader)
        assert digest(kept) == digest(value)
        assert (kept.name if isinstance(kept, pl.Series) else kept.columns) == (
            value.name if isinstance(value, pl.Series) else value.columns
        )
