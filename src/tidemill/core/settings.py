"""What an operator can set, from a TOML file and `TIDEMILL_...` variables (which win). Read once, at the start."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Container
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding, near


class Settings(BaseSettings):
    """Defaults run everything on one machine with nothing else installed."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", extra="forbid", frozen=True)

    data: Path = Field(Path("tidemill-data"), description="Folder for SQLite, the secret key and the embedded broker")
    database: str | None = Field(
        None, description="postgresql://user:password@host/name; SQLite under `data` if not given"
    )
    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless told otherwise")
    port: int = Field(8080, ge=0, le=65535, description="0 takes a free one")
    secret_key: SecretStr | None = Field(
        None, description="Encrypts stored secrets. Made under `data` if not given; all workers need the same one"
    )
    embedded_broker: bool | None = Field(
        None, description="Start the embedded broker; the default is: with SQLite only"
    )
    broker_port: int = Field(
        0, ge=0, le=65535, description="Of the embedded broker; 0 takes a free one, and the same one next time"
    )
    broker_fsync: Literal["never", "interval", "always"] = Field(
        "interval", description="When the embedded broker's records are safe from a power cut"
    )
    history_days: float = Field(7, gt=0, description="How long the history of records is kept")
    executions_days: float = Field(30, gt=0, description="How long finished executions are kept")
    token_hours: float = Field(24, gt=0, description="How long a token lasts")
    hops_max: int = Field(16, ge=1, description="A record that came through Tidemill more often is a dead letter")
    batch_records: int = Field(
        1_000, ge=1, le=10_000, description="Records per pump batch; of a publication batch five times as many"
    )
    script_timeout_s: float = Field(4, gt=0, description="Time limit of a user's script per message")
    script_memory_mb: int = Field(128, ge=16, description="Memory limit of a user's script")
    http_private: bool = Field(
        True,
        description="Let HTTP tasks and rule chains reach this machine and private networks; turn it off where others "
        "write them",
    )
    http_response_mb: float = Field(
        5, gt=0, le=10, description="A larger response fails its HTTP task, or the call of its rule chain"
    )
    session_timeout_s: float = Field(10, ge=6, description="How long Kafka waits for a worker that fell silent")
    lease_s: float = Field(10, ge=1, description="How long a dead publisher holds up its successor")
    plugins: str = Field("", description="Python modules, or files, imported at the start; commas between them")
    metrics_public: bool = Field(False, description="Serve /metrics without a token")
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{(self.data / 'tidemill.db').absolute()}"

    @property
    def plugin_names(self) -> list[str]:
        return [name for each in self.plugins.split(",") if (name := each.strip())]

    @property
    def is_embedded_broker_wanted(self) -> bool:
        is_sqlite = self.database_url.startswith("sqlite")
        return is_sqlite if self.embedded_broker is None else self.embedded_broker

    def masked(self) -> dict[str, Any]:
        """For the log: secrets are stars, also the password in a database URL."""
        shown = self.model_dump(mode="json")
        head, at, tail = (self.database or "").rpartition("@")
        if at:
            shown["database"] = f"{head.rpartition(':')[0]}:***@{tail}"
        return shown


def read_settings(path: Path | None = None, **overrides: Any) -> Settings:
    """Raises `BadInput` with every mistake. `overrides` (the command line) win; None there means not given."""
    given = _read_file(path) if path is not None else {}
    unknown = sorted(set(given) - set(Settings.model_fields))
    findings = [
        Finding(f"{path}: {name}", "no such setting" + near(name, Settings.model_fields), "unknown") for name in unknown
    ]
    # The file must not hide the environment, which pydantic-settings reads after what it is given.
    variables = {name.upper() for name in os.environ}
    of_environment = {name for name in Settings.model_fields if f"TIDEMILL_{name.upper()}" in variables}
    of_options = {name: value for name, value in overrides.items() if value is not None}
    of_file = {name: value for name, value in given.items() if name not in unknown and name not in of_environment}
    try:
        settings = Settings(**{**of_file, **of_options})
    except ValidationError as error:
        for item in error.errors():
            name = str(item["loc"][0])
            place = _place(name, of_options, of_environment, path)
            findings.append(Finding(place, item["msg"]))
        raise BadInput(findings) from error
    if findings:
        raise BadInput(findings)
    return settings


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise BadInput(f"there is no file {path}") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not TOML: {error}") from error


def _place(name: str, options: Container[str], environment: Container[str], path: Path | None) -> str:
    """Where a setting was given."""
    if name in options:
        return f"--{name}"
    return f"TIDEMILL_{name.upper()}" if name in environment else f"{path}: {name}"
