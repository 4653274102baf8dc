"""What a trial of rule chains stands on where no server runs: a sandbox, and a world that nodes may really call.

Nothing is opened before a node asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from tidemill.core.clock import Clock
from tidemill.graph.registry import Registry
from tidemill.rules.chains.building import Setup
from tidemill.rules.listed import LISTED
from tidemill.rules.nowhere import EmptyCache, NothingPending
from tidemill.rules.ports import Ports
from tidemill.rules.trial import AnyCluster, Trial
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.settings import SandboxSettings
from tidemill.server.plugins import load_plugins
from tidemill.server.world import LateWeb, open_world

RESPONSE_BYTES_MAX = 16 * 2**20


async def open_trial(clock: Clock, stack: AsyncExitStack, plugins: Sequence[str] = ()) -> Trial:
    """`stack` closes what it stands on. `plugins` are modules that are to be imported first."""
    load_plugins(plugins)
    sandbox = SandboxPool(SandboxSettings(), clock)
    await sandbox.start()
    stack.push_async_callback(sandbox.close)
    web = LateWeb(RESPONSE_BYTES_MAX, stack, is_private_allowed=True)  # his own machine, too
    world = open_world(web, clock, stack, is_private_allowed=True)
    ports = Ports(sandbox, clock, AnyCluster(), EmptyCache(), world, NothingPending())
    return Trial(Setup(Registry(LISTED), ports, {}))
