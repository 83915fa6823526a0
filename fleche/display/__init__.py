"""Records as text, table rows and HTML: pure functions of plain data."""

from fleche.display.cache import FunctionRow, cache_html
from fleche.display.call import Row, call_html, calls_html
from fleche.display.code import tree_html
from fleche.display.function import FunctionCard, function_html
from fleche.display.lineage import Branch, Graph, Link, lineage_html, lineage_text
from fleche.display.page import drawn
from fleche.display.summary import Summary, brief, summarize
from fleche.display.text import ago, arguments, duration, short, size, value_preview

__all__ = [
    "Branch",
    "FunctionCard",
    "FunctionRow",
    "Graph",
    "Link",
    "Row",
    "Summary",
    "ago",
    "arguments",
    "brief",
    "cache_html",
    "call_html",
    "calls_html",
    "drawn",
    "duration",
    "function_html",
    "lineage_html",
    "lineage_text",
    "short",
    "size",
    "summarize",
    "tree_html",
    "value_preview",
]
