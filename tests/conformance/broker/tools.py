"""Apache Kafka's command line tools as a user starts them. A JVM takes about a second: a test asks for few."""

from __future__ import annotations

import subprocess
from pathlib import Path

TIMEOUT_S = 60.0


class Tools:
    """`class_archive` need not be there: the first tool leaves its loaded classes in it, and the next start in half
    the time."""

    def __init__(self, jars: Path, address: str, class_archive: Path) -> None:
        self._jars = sorted(jars.glob("*.jar"))
        self._address = address
        self._archive = class_archive

    def run(self, tool: str, *arguments: str, given: str = "") -> str:
        """What the tool printed. Raises AssertionError if it failed. `tool` without `org.apache.kafka.tools.`."""
        main = tool if tool.startswith("kafka.") else f"org.apache.kafka.tools.{tool}"
        archive = "SharedArchiveFile" if self._archive.exists() else "ArchiveClassesAtExit"
        command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable"]
        command += [f"-XX:{archive}={self._archive}", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
        command += ["-cp", ":".join(map(str, self._jars)), main, *self._with_address(tool, arguments)]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        assert done.returncode == 0, f"{tool} failed: {done.stdout}{done.stderr}"
        # Some tools complain and end well all the same.
        assert "Error" not in done.stdout, done.stdout
        return done.stdout

    def rows(self, tool: str, *arguments: str) -> list[dict[str, str]]:
        """The table that the tool printed, by its headings."""
        lines = [line.split() for line in self.run(tool, *arguments).splitlines() if line.strip()]
        return [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]

    def _with_address(self, tool: str, arguments: tuple[str, ...]) -> list[str]:
        address = ["--bootstrap-server", self._address]
        if tool == "ClusterTool":  # its first word is the command
            return [*arguments, *address]
        return [*address, *arguments]
