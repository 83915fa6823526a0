"""Records as text, table rows and HTML: pure functions of plain data."""

from fleche.display.html import cache_html, call_html, calls_html
from fleche.display.text import ago, arguments, duration, short, size, value_preview

__all__ = ["ago", "arguments", "cache_html", "call_html", "calls_html", "duration", "short", "size", "value_preview"]
