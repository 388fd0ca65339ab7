"""Health of each service, as it is: a service is SERVING while what it stands on answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from grpc_health.v1 import health, health_pb2

_log = structlog.stdlib.get_logger(__name__)

Probe = Callable[[], Awaitable[None]]

BACKGROUND = "nextlabel.background"
"""A health service of its own: calls are answered while background work fails."""


class ServiceHealth:
    """Asks the probes of every service again and again and keeps the standard health service told.

    A probe returns when all is well and raises when it is not. The server as a whole (service name "") is healthy
    while all services are, but for the background.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        *,
        interval_s: float = 5.0,
        timeout_s: float = 5.0,
    ) -> None:
        self.servicer = health.aio.HealthServicer()
        self._probes = probes
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._healthy: dict[str, bool] = {}
        self._failing: dict[Probe, str] = {}

    async def check(self) -> None:
        """Ask every probe once. Services that share a probe share its answer."""
        probes = list(dict.fromkeys(self._probes.values()))
        answers = dict(zip(probes, await asyncio.gather(*map(self._answers, probes)), strict=True))
        for service, probe in self._probes.items():
            await self._tell(service, answers[probe])
        await self._tell("", all(answers[probe] for service, probe in self._probes.items() if service != BACKGROUND))

    async def watch(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(self._interval_s)

    async def drain(self) -> None:
        """Say NOT_SERVING for good."""
        await self.servicer.enter_graceful_shutdown()

    async def _answers(self, probe: Probe) -> bool:
        try:
            async with asyncio.timeout(self._timeout_s):
                await probe()
        except Exception as error:  # noqa: BLE001 -- whatever a probe raises is its way to say no
            if self._failing.get(probe) != repr(error):
                self._failing[probe] = repr(error)
                _log.warning("health probe failed", exc_info=True)
            return False
        self._failing.pop(probe, None)
        return True

    async def _tell(self, service: str, healthy: bool) -> None:
        if self._healthy.get(service) == healthy:
            return
        self._healthy[service] = healthy
        states = health_pb2.HealthCheckResponse
        await self.servicer.set(service, states.SERVING if healthy else states.NOT_SERVING)
