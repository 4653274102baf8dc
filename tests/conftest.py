"""Fixtures for the real parts. What a machine lacks is skipped by name here, and is a failure with CI=true."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.parts.mariadb", "tests.parts.mosquitto", "tests.parts.postgres", "tests.parts.kafka"]

# How fast examples are made says something about the machine, nothing about us.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
