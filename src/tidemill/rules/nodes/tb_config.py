"""What the configurations of ThingsBoard's nodes have in common: keys that Tidemill does not know change nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ConfigDict

from tidemill.core.findings import Finding, near
from tidemill.graph.component import Config
from tidemill.rules.site import Site


class TbConfig(Config):
    """ThingsBoard leaves keys of older versions where they are, and reads over them."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)


def unknown_keys(config: TbConfig, site: Site) -> Iterator[Finding]:
    known = [field.alias or name for name, field in type(config).model_fields.items()]
    for key in config.model_extra or ():
        if key != "version":
            message = f"unknown key {key!r}, kept and ignored{near(key, known)}"
            yield site.finding(key, message, "unknown_key", "warning")
