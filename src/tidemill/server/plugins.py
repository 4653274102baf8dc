"""Modules of the operator's that are imported at the start: what they register (processors) is there from then on.

One that cannot be imported is told of, and stops nobody: chains that need it say so in their findings.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


def load_plugins(names: Sequence[str]) -> Sequence[str]:
    """Module names, or paths that end in `.py`. Returns those that failed."""
    return [name for name in names if not _is_loaded(name)]


def _is_loaded(name: str) -> bool:
    try:
        if name.endswith(".py"):
            _load_file(Path(name))
        else:
            importlib.import_module(name)
    except Exception:  # somebody else's code, that runs as it is imported
        log.exception("plugin not loaded", plugin=name)
        return False
    log.info("plugin loaded", plugin=name)
    return True


def _load_file(path: Path) -> None:
    name = f"tidemill_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
