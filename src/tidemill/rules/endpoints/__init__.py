"""Endpoints of rule chains: what they are configured with, where they lead, and what processors do on the way."""
