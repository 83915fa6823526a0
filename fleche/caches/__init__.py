"""Caches: a value storage and a call storage, used together; and caches made of caches."""

from typing import TYPE_CHECKING

from fleche.lazy import face

if TYPE_CHECKING:
    from fleche.caches.base import BaseCache, Filing
    from fleche.caches.cache import Cache
    from fleche.caches.filtered import FilteredCache, FilteringMixin
    from fleche.caches.limited import SizeLimitedCache, SizeLimitedMixin
    from fleche.caches.parcels import Parcel, Receipt
    from fleche.caches.pool import CachePool
    from fleche.caches.readonly import ReadOnlyCache, ReadOnlyMixin
    from fleche.caches.refreshing import RefreshingCache
    from fleche.caches.reports import CheckReport, Report, TransferReport
    from fleche.caches.results import Recorded, Returned
    from fleche.caches.stack import CacheStack
    from fleche.caches.wrapper import CacheWrapper
    from fleche.errors import Rejected

__all__ = [
    "BaseCache",
    "Cache",
    "CachePool",
    "CacheStack",
    "CacheWrapper",
    "CheckReport",
    "Filing",
    "FilteredCache",
    "FilteringMixin",
    "Parcel",
    "ReadOnlyCache",
    "ReadOnlyMixin",
    "Receipt",
    "Recorded",
    "RefreshingCache",
    "Rejected",
    "Report",
    "Returned",
    "SizeLimitedCache",
    "SizeLimitedMixin",
    "TransferReport",
]

if not TYPE_CHECKING:
    __getattr__ = face(
        __name__,
        {
            **dict.fromkeys(("BaseCache", "Filing"), "base"),
            "Cache": "cache",
            **dict.fromkeys(("FilteredCache", "FilteringMixin"), "filtered"),
            **dict.fromkeys(("SizeLimitedCache", "SizeLimitedMixin"), "limited"),
            **dict.fromkeys(("Parcel", "Receipt"), "parcels"),
            "CachePool": "pool",
            **dict.fromkeys(("ReadOnlyCache", "ReadOnlyMixin"), "readonly"),
            "RefreshingCache": "refreshing",
            "Rejected": "readonly",
            **dict.fromkeys(("CheckReport", "Report", "TransferReport"), "reports"),
            **dict.fromkeys(("Recorded", "Returned"), "results"),
            "CacheStack": "stack",
            "CacheWrapper": "wrapper",
        },
    )
