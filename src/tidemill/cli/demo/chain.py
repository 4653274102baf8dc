"""The demo's last step: RuleGo's example, as its file is, on the demo's broker, and one reading's way through it."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from tidemill.cli.client import ApiClient
from tidemill.cli.demo.traffic import FarEnd, NearEnd
from tidemill.cli.trace import trace_tree

EXAMPLE = "kafka-endpoint.json"
TOPIC_IN, TOPIC_OUT = "readings", "warm-readings"
READING = b'{"device": "thermometer", "temperature": 30}'


def show_chain(api: ApiClient, folder: Path, integration: str, address: str, quiet_s: float, console: Console) -> bool:
    """`folder` has RuleGo's examples. Whether the reading came out at the far end, within the time."""
    text = (folder / EXAMPLE).read_text().replace('"embedded"', json.dumps(integration))
    document = json.loads(text)
    far_end = FarEnd(address, TOPIC_OUT, name_of=lambda value: str(json.loads(value)["device"]))
    try:
        api.post(f"/api/v1/rules/{document['ruleChain']['id']}", document)
        sent = NearEnd(address).send(TOPIC_IN, [(None, READING)])
        is_out = far_end.wait_for(1, quiet_s)
    finally:
        far_end.close()
    console.print("\nAnd a reading through a rule chain of RuleGo's, [bold]examples/rulego/" + EXAMPLE + "[/bold]:\n")
    for place in sent.at_s:
        topic, partition, offset = place.rsplit("-", 2)
        console.print(trace_tree(api.get(f"/api/tidemill/trace/{integration}/{topic}/{partition}/{offset}")))
    return is_out
