"""Partitions' logs, and the requests that write and read them."""
