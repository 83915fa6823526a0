"""Suites and strategies that any backend runs, ours or a user's. Imported by tests only."""
