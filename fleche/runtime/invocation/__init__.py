"""Invocations: executions of calls, and their statuses."""
