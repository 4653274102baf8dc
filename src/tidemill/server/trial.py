"""What a trial of rule chains stands on where no server runs: a sandbox and the world,
and stand-ins for the rest."""

from __future__ import annotations

from tidemill.core.clock import Clock
from tidemill.graph.registry import Registry
from tidemill.rules.building import Setup
from tidemill.rules.listed import LISTED
from tidemill.rules.nowhere import EmptyCache
from tidemill.rules.ports import Ports, World
from tidemill.rules.trial import AnyCluster, Trial
from tidemill.sandbox.script import Sandbox


def trial_parts(sandbox: Sandbox, clock: Clock, world: World) -> Trial:
    return Trial(Setup(Registry(LISTED), Ports(sandbox, clock, AnyCluster(), EmptyCache(), world), {}))
