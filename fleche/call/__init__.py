"""What a call is: binding, identity, records and metadata."""

from fleche.call.binding import FunctionProfile, Ignored, Required, bind
from fleche.call.lazy import CallSource, Handle, LazyArguments, LazyCall
from fleche.call.live import ABSENT, Call, PreparedCall
from fleche.call.metadata import Environment, Git, MetaData, Runtime, Tags
from fleche.call.records import NO_ITEMS, DigestedCall, Metadata, Outcome, QueryCall, Scalar, Version
from fleche.call.scalars import kind_of, scalar_fits

__all__ = [
    "ABSENT",
    "Call",
    "CallSource",
    "DigestedCall",
    "Environment",
    "FunctionProfile",
    "Git",
    "Handle",
    "Ignored",
    "LazyArguments",
    "LazyCall",
    "NO_ITEMS",
    "MetaData",
    "Metadata",
    "Outcome",
    "PreparedCall",
    "QueryCall",
    "Required",
    "Runtime",
    "Scalar",
    "Tags",
    "Version",
    "bind",
    "kind_of",
    "scalar_fits",
]
