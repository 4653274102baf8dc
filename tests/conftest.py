"""Fixtures for the real parts. What a machine lacks is skipped by name here, and is a failure with CI=true."""

pytest_plugins = ["tests.parts.postgres", "tests.parts.kafka"]
