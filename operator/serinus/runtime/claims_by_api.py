"""Claims for each routing API: two of them share no gateway, so no host of one is taken from the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from serinus.api.parsing import ModelDeploymentView
from serinus.api.traffic import Traffic
from serinus.core.model.identity import Key
from serinus.core.model.names import service_fqdn
from serinus.core.model.snapshot import Obstacle, Unreached
from serinus.core.model.tenancy import Tenancy
from serinus.core.traffic.provider import TrafficProvider
from serinus.core.traffic.providers import TrafficProviders
from serinus.runtime.claims import Claims, nobody
from serinus.runtime.memory import Memory
from serinus.runtime.ports import Cache, Clock

MOST_NAMED: Final = 3
"""Routes in one message: the first that is mended shows the next."""


@dataclass(frozen=True)
class ClaimsByApi:
    """Asks the claims of the API that a spec has chosen."""

    providers: TrafficProviders
    claims: tuple[Claims, ...]
    domain: str

    @classmethod
    def build(
        cls,
        cache: Cache,
        tenancy: Tenancy,
        *,
        sources: tuple[str, ...],
        providers: TrafficProviders,
        clock: Clock,
        gateway_namespaces: Sequence[str] = (),
        wake: Callable[[Key], None] = nobody,
    ) -> ClaimsByApi:
        """Follow the routes and gateways of each; the arguments are those of `Claims`."""

        def claims(provider: TrafficProvider) -> Claims:
            return Claims(
                cache,
                tenancy,
                sources=sources,
                provider=provider,
                clock=clock,
                gateway_namespaces=gateway_namespaces,
                wake=wake,
            )

        return cls(providers, tuple(claims(provider) for provider in providers.each), tenancy.domain)

    def obstacles(self, view: ModelDeploymentView, memory: Memory) -> Iterator[Obstacle]:
        """The reasons why nothing new may start."""
        return self._of(view).obstacles(view, memory)

    def unreached(self, view: ModelDeploymentView) -> Unreached | None:
        """Why requests from outside do not arrive."""
        return self._of(view).unreached(view)

    def admitted(self, view: ModelDeploymentView) -> Traffic | None:
        """The spec's traffic without what may not be used."""
        return self._of(view).admitted(view)

    def concern(self, view: ModelDeploymentView) -> Obstacle | None:
        """What people should know although it stops nothing."""
        return self._of(view).concern(view)

    def bypass(self, view: ModelDeploymentView, revisions: Sequence[str]) -> str:
        """Name some of the routes of either API that send requests past ours; empty where there is none."""
        services = [service_fqdn(view.namespace, name, self.domain) for name in (view.name, *revisions)]
        found = (one for claims in self.claims for one in claims.bypasses(services))
        return "; ".join(islice(found, MOST_NAMED))

    def rest(self, key: Key) -> None:
        """Forget what is found anew by the next pass."""
        for claims in self.claims:
            claims.rest(key)

    def _of(self, view: ModelDeploymentView) -> Claims:
        return self.claims[self.providers.each.index(self.providers.of(view.spec.traffic))]
