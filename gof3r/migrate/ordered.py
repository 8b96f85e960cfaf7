"""What a run orders for each item: the engine's orders, by the settings of the run and the item's own.

Theory: how a place is reached depends on its bucket and its options alone, and finding it out takes files to
be read; so that is done once for each pair of buckets, and a key is put into what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gof3r import ordering
from gof3r.config import Config, parse_size
from gof3r.engine import orders
from gof3r.engine.errors import UsageError
from gof3r.engine.values import Header, Seen, Target

from .items import Item, LocalFile, S3Object
from .options import config_for


@dataclass(frozen=True, slots=True)
class How:
    """What holds for all items of a run."""

    config: Config
    source: Config
    """How sources in S3 are reached."""
    headers: tuple[Header, ...] = ()
    source_headers: tuple[Header, ...] = ()
    acl: str = ""
    if_none_match: bool = False
    own: frozenset[str] = frozenset()
    """Files of the run's own, which it neither moves nor writes over: real paths."""
    root: str = ""
    """The directory below which files are written; empty where a manifest names each."""

    @property
    def part_size(self) -> int:
        return parse_size(self.config.part_size)

    @property
    def memory(self) -> int:
        """Bytes for slots."""
        if self.config.memory is not None:
            return parse_size(self.config.memory)
        return self.part_size * int(self.config.concurrency)


class Orders:
    """Of the items of one run."""

    def __init__(self, how: How, environ: Mapping[str, str]) -> None:
        self._how = how
        self._environ = environ
        self._known: dict[object, orders.Put | orders.Get | orders.Copy] = {}
        """One for each pair of buckets, and of options."""

    def of(self, item: Item) -> orders.Put | orders.Get | orders.Copy:
        """Raises UsageError."""
        source, to = item.source, item.destination
        # How a place is reached depends on its bucket alone, and takes files to be read.
        where = (item.options, getattr(source, "bucket", ""), getattr(to, "bucket", ""))
        if where not in self._known:
            self._known[where] = self._ordered(item)
        order = self._known[where]
        if isinstance(order, orders.Put):
            assert isinstance(to, S3Object)
            return replace(order, target=replace(order.target, key=to.key))
        assert isinstance(source, S3Object)
        known = item.known
        seen = Seen(known.size, known.etag) if known.size and known.etag else None
        if isinstance(order, orders.Get):
            return replace(order, target=_at(order.target, source), seen=seen)
        assert isinstance(to, S3Object)
        target = replace(order.target, key=to.key)
        return replace(order, source=_at(order.source, source), target=target, seen=seen)

    def _ordered(self, item: Item) -> orders.Put | orders.Get | orders.Copy:
        """Nothing is written beside the objects, and nothing is taken unproven. Raises UsageError."""
        how, own, source, to = self._how, item.options, item.source, item.destination
        config = config_for(own, replace(how.config, md5=False))
        there = config_for(own, replace(how.source, md5=False))
        headers = (*how.headers, *own.headers)
        acl = own.acl or how.acl
        if_none_match = how.if_none_match if own.if_none_match is None else own.if_none_match
        if isinstance(source, LocalFile):
            assert isinstance(to, S3Object)
            return ordering.put_order(
                config,
                self._environ,
                to.bucket,
                to.key,
                headers=headers,
                acl=acl,
                expected_size=None,
                if_none_match=if_none_match,
            )
        read = (*how.source_headers, *own.source_headers)
        if isinstance(to, LocalFile):
            if if_none_match or acl or headers:
                raise UsageError(
                    "--if-none-match, --acl and --header are for objects, and this goes to a file"
                )
            order = ordering.get_order(
                there, self._environ, source.bucket, source.key, version_id=source.version_id, headers=read
            )
            return replace(order, unproven=False, serial=True)
        copy = ordering.copy_order(
            config,
            self._environ,
            (source.bucket, source.key),
            (to.bucket, to.key),
            source_config=there,
            source_version_id=source.version_id,
            source_headers=read,
            headers=headers,
            acl=acl,
            if_none_match=if_none_match,
        )
        return replace(copy, unproven=False, serial=True)


def _at(target: Target, place: S3Object) -> Target:
    return replace(target, key=place.key, version_id=place.version_id)
