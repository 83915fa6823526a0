"""Repair removes no record that someone computed anew while it looked."""

from __future__ import annotations

from fleche.caches import Cache
from fleche.call import Call
from fleche.digest import digest
from fleche.storage.checking import Fault
from fleche.storage.memory import CallMemory, ValueMemory


def test_a_record_that_was_filed_again_meanwhile_stays() -> None:
    """The value is gone when the record is looked at, and is there again when it would be removed."""

    class Values(ValueMemory):
        looked = 0

        def _contains(self, key):
            self.looked += key == digest(5)
            if self.looked == 2:  # between the look and the removal another process saves it
                self.looked += 1
                self.save(5)
            return super()._contains(key)

    values, calls = Values({}), CallMemory({})
    cache = Cache(values, calls)
    key = cache.save(Call(module="m", name="f", arguments={"x": 1}, result=5))
    values.evict(digest(5))
    values.looked = 0
    report = cache.repair()
    assert [finding.fault for finding in report.findings] == [Fault.MISSING]
    assert cache.load(key).result == 5
