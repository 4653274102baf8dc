"""The records that everything is measured with: 220 bytes of JSON."""

from __future__ import annotations

import json

SIZE_BYTES = 220


def value_of(number: int) -> bytes:
    order = {"order": number, "customer": f"customer-{number % 97}", "amount": number % 1000 / 10, "pad": ""}
    order["pad"] = "x" * (SIZE_BYTES - len(json.dumps(order)))
    return json.dumps(order).encode()


def key_of(number: int) -> bytes:
    return f"customer-{number % 97}".encode()
