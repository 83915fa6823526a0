"""fleche remembers calls.

>>> import fleche
>>> @fleche.cached(cache="memory")
... def square(x):
...     return x * x
>>> square(12), square(x=12)
(144, 144)
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from fleche import errors
from fleche.call.binding import Ignored, Required
from fleche.defaults import connect as _connect
from fleche.digest.text import Digest
from fleche.lazy import face as _face
from fleche.memo import BoundCall as BoundWrapper
from fleche.memo import cache, cached, fleche, meta, mode, project, set_default_cache, tags
from fleche.version import VERSION

__version__ = VERSION

if _TYPE_CHECKING:
    from fleche import digest
    from fleche.digest import D, ordered
    from fleche.digest.files import File
    from fleche.memo import migrate, wrap_executor
    from fleche.query import q

__all__ = [
    "BoundWrapper",
    "D",
    "Digest",
    "File",
    "Ignored",
    "Required",
    "__version__",
    "cache",
    "cached",
    "digest",
    "errors",
    "fleche",
    "meta",
    "migrate",
    "mode",
    "ordered",
    "project",
    "q",
    "set_default_cache",
    "tags",
    "wrap_executor",
]

if not _TYPE_CHECKING:
    __getattr__ = _face(
        __name__,
        {
            "D": "digest",
            "File": "digest.files",
            "migrate": "memo",
            "ordered": "digest",
            "q": "query",
            "wrap_executor": "memo",
        },
    )

_connect()
