"""Transactions over partitions and group offsets: who may write, and what becomes of it."""
