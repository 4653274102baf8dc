"""Tidemill puts Kafka topics to work: records start and steer workflows, exactly once."""

__version__ = "0.1.0"
