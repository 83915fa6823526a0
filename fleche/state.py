"""What is active here and now, where existing code imports it from."""

from fleche.memo.active import active_cache as get_cache
from fleche.memo.active import cache, meta, project, tags
from fleche.memo.active import noted_meta as get_metadata
from fleche.memo.bound import BoundCall as BoundWrapper

__all__ = ["BoundWrapper", "cache", "get_cache", "get_metadata", "meta", "project", "tags"]
