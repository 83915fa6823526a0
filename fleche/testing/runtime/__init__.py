"""The parts of the suites of the task runtime; backends subclass `EngineTests` and `RuntimeTests`."""
