"""A disk whose files take what is written and, once `is_torn`, fail when it must be safe."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.forgetful_disk import ForgetfulDisk, ForgetfulFile
from tidemill.broker.disk import File


class TornDisk(ForgetfulDisk):
    is_torn = False

    def open(self, path: Path) -> File:
        return TornFile(self, path)


class TornFile(ForgetfulFile):
    def __init__(self, disk: TornDisk, path: Path) -> None:
        super().__init__(disk, disk.node(path))
        self._torn = disk

    def sync(self) -> None:
        if self._torn.is_torn:
            raise OSError(5, "Input/output error")
        super().sync()
