"""fleche remembers calls.

>>> import fleche
>>> @fleche.cached(cache="memory")
... def square(x):
...     return x * x
>>> square(12), square(x=12)
(144, 144)
"""

from fleche import errors
from fleche.call import Ignored, Required
from fleche.config import opener as _opener
from fleche.digest import D, Digest, ordered
from fleche.digest.algorithm import set_configured as _set_configured
from fleche.memo import cache, cached, defaults as _defaults, meta, mode, project, set_default_cache, tags

__version__ = "0.1.0"

__all__ = [
    "D",
    "Digest",
    "Ignored",
    "Required",
    "cache",
    "cached",
    "errors",
    "meta",
    "mode",
    "ordered",
    "project",
    "set_default_cache",
    "tags",
]

_defaults.open = _opener
_defaults.gather = _opener.metadata
_set_configured(_opener.algorithm)
Digest._default_cache = cache  # noqa: SLF001 - the one upward need of layer 1, met here
