"""`tidemill demo`: the whole way of a record, tried on this machine with nothing else installed."""

from tidemill.cli.demo.command import demo

__all__ = ["demo"]
