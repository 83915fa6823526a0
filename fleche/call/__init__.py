"""What a call is: binding, identity, records and metadata."""

from typing import TYPE_CHECKING

from fleche.lazy import face

if TYPE_CHECKING:
    from fleche.call.binding import FunctionProfile, Ignored, Required, bind
    from fleche.call.forgetting import Forgetting
    from fleche.call.lazy import CallSource, Handle, LazyArguments, LazyCall
    from fleche.call.live import ABSENT, Call, PreparedCall
    from fleche.call.metadata import CONFIGURABLE, Environment, Git, MetaData, Runtime, Tags, configurable
    from fleche.call.records import NO_ITEMS, DigestedCall, Metadata, Outcome, QueryCall, Scalar, Version
    from fleche.call.related import Lineage
    from fleche.call.scalars import kind_of, scalar_fits

__all__ = [
    "ABSENT",
    "CONFIGURABLE",
    "NO_ITEMS",
    "Call",
    "CallSource",
    "DigestedCall",
    "Environment",
    "Forgetting",
    "FunctionProfile",
    "Git",
    "Handle",
    "Ignored",
    "LazyArguments",
    "LazyCall",
    "Lineage",
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
    "configurable",
    "kind_of",
    "scalar_fits",
]

if not TYPE_CHECKING:
    __getattr__ = face(
        __name__,
        {
            **dict.fromkeys(("FunctionProfile", "Ignored", "Required", "bind"), "binding"),
            **dict.fromkeys(("CallSource", "Handle", "LazyArguments", "LazyCall"), "lazy"),
            **dict.fromkeys(("ABSENT", "Call", "PreparedCall"), "live"),
            **dict.fromkeys(
                ("CONFIGURABLE", "Environment", "Git", "MetaData", "Runtime", "Tags", "configurable"), "metadata"
            ),
            **dict.fromkeys(
                ("NO_ITEMS", "DigestedCall", "Metadata", "Outcome", "QueryCall", "Scalar", "Version"), "records"
            ),
            **dict.fromkeys(("kind_of", "scalar_fits"), "scalars"),
            "Forgetting": "forgetting",
            "Lineage": "related",
        },
    )
