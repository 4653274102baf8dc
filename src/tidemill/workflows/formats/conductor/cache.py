"""`cacheConfig` of a task: for how long, and for which inputs, its output is taken again."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Source, TaskType
from tidemill.workflows.plans.plan import Cache
from tidemill.workflows.tasks.kind import TaskKind

KEY = "cacheConfig"


def read_cache(source: Source, type_: TaskType, kind: TaskKind) -> Cache | None:
    """None where nothing is kept. The key reads the task's input and nothing else, as Orkes has it."""
    if not source.fields.object(KEY):
        return None
    fields = source.fields.fields(KEY)
    fields.name("key")
    template = fields.template("key", "")
    ttl_s = fields.whole("ttlInSecond")
    fields.finish()
    if KEY in type_.keys:  # it is for the task that this one turns out to be
        return None
    if not kind.is_cacheable:
        source.fields.warn(KEY, f"without effect on a task of type {type_.name}")
        return None
    absent = sorted(template.roots - {"$"} - source.inputs.keys() - source.given.keys())
    if absent:
        fields.warn("key", f"the task has no input {absent[0]!r}: nothing is kept; the key reads the task's input")
        return None
    return Cache(template, ttl_s) if ttl_s else None
