"""What a Lease of ours says, to whoever reads it: who holds it, of which install, and whether that one leads.

Apart from taking and renewing: other installs and other versions of Serinus go by these records alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from serinus.api import GROUP
from serinus.core.model.kinds import Json

LEASE_LABEL: Final = f"{GROUP}/lease"
NAMESPACES_ANNOTATION: Final = f"{GROUP}/namespaces"
LEADS_ANNOTATION: Final = f"{GROUP}/leads"
INSTALL_ANNOTATION: Final = f"{GROUP}/install"
SHARDS_ANNOTATION: Final = f"{GROUP}/shards"
ALL_NAMESPACES: Final = "*"


@dataclass(frozen=True)
class Division:
    """An install, and by how many shards it is divided; as a holder `namespace/name`, or `namespace/name#4`."""

    install: str
    shards: int = 1

    @classmethod
    def read(cls, holder: str) -> Division:
        """Read it as it is written; what is no number is one shard."""
        install, _, shards = holder.partition("#")
        return cls(install, int(shards) if shards.isdigit() else 1)

    def __str__(self) -> str:
        return self.install if self.shards == 1 else f"{self.install}#{self.shards}"


@dataclass(frozen=True)
class LeaseName:
    """Which lease, and as whom: an identity that comes back is taken for the same holder.

    `watched` are the namespaces that the holder looks after; none named is all of them. `install` is the place of the
    install's first Lease, where that is not this one, and `shards` the number of its Leases.
    """

    namespace: str
    name: str
    identity: str
    watched: tuple[str, ...] = ()
    shards: int = 1
    install: str = ""

    def of_shard(self, shard: int) -> LeaseName:
        """Name the Lease of a shard. The first has the name of the only one, of any version of Serinus."""
        if shard == 0:
            return self
        return replace(self, name=f"{self.name}-shard-{shard}", install=self.of_install)

    @property
    def place(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def of_install(self) -> str:
        """Name the install, whichever of its pods and Leases it is."""
        return self.install or f"{self.namespace}/{self.name}"

    @property
    def division(self) -> Division:
        """Name the install, as it is divided: two that divide one install otherwise must not lead at the same time."""
        return Division(self.of_install, self.shards)


def lease_marks(name: LeaseName, *, leads: bool) -> Json:
    """Write what other installs find a Lease by, and what they want to know of it."""
    return {
        "labels": {LEASE_LABEL: "operator"},
        "annotations": {
            NAMESPACES_ANNOTATION: ",".join(name.watched) or ALL_NAMESPACES,
            LEADS_ANNOTATION: "true" if leads else "false",
            INSTALL_ANNOTATION: name.of_install,
            SHARDS_ANNOTATION: f"{name.shards} {name.identity}",
        },
    }


def says_it_leads(lease: Json) -> bool:
    """Tell whether its holder leads, or, where nobody holds it, whether the last one has led."""
    return (lease["metadata"].get("annotations") or {}).get(LEADS_ANNOTATION) == "true"


def holder_of(lease: Json) -> str:
    return str(lease["spec"].get("holderIdentity") or "")


def install_of(lease: Json) -> str:
    """Name the install that a Lease is of; one of an older version has no other Lease."""
    place = f"{lease['metadata']['namespace']}/{lease['metadata']['name']}"
    return str((lease["metadata"].get("annotations") or {}).get(INSTALL_ANNOTATION) or place)


def shards_of(lease: Json) -> int:
    """Read by how many Leases the holder divides its install.

    An older version knows of one, and leaves standing what the holder before it has written.
    """
    written = str((lease["metadata"].get("annotations") or {}).get(SHARDS_ANNOTATION) or "")
    number, _, holder = written.partition(" ")
    return int(number) if number.isdigit() and holder == holder_of(lease) else 1


def version_of(lease: Json) -> str:
    return str(lease["metadata"]["resourceVersion"])


def watched_by(lease: Json) -> set[str]:
    """Read which namespaces its holder watches."""
    annotations = lease["metadata"].get("annotations") or {}
    return set(str(annotations.get(NAMESPACES_ANNOTATION) or ALL_NAMESPACES).split(","))


def place_of(lease: Json) -> tuple[str, str]:
    return str(lease["metadata"]["namespace"]), str(lease["metadata"]["name"])
