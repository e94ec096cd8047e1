"""Looking at a service through Spring Boot Actuator's JSON, which the sample shop speaks as well.

Shapes are those of Spring Boot 3 and, for breaker events, of resilience4j's endpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import ProbeError
from harness.probes import Json
from harness.probes.http import as_json, look
from harness.stack import Stack


@dataclass(frozen=True, kw_only=True)
class ActuatorHealth:
    """The health of a service or of one component of it.

    Reads the health object, `{"status": "UP", …}`. A component is named by its path, such as
    "circuitBreakers.paymentService"; each part is looked up among `components`, then among `details`.
    """

    name: str
    service: str
    component: str = ""

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Look once; a service that says DOWN with status 503 has been seen.

        Raises:
            ProbeError: There was no health within `timeout_s`, or no such component in it.
        """
        path = "/actuator/health"
        answer = look(stack, self.service, path, probe=self.name, timeout_s=timeout_s)
        if answer.status not in {200, 503}:
            raise ProbeError(f"{self.name}: {path} wanted 200 or 503, got {answer.status}: {answer.text()}")
        health = as_json(answer, probe=self.name, path=path)
        for part in filter(None, self.component.split(".")):
            inside = _inside(health)
            if part not in inside:
                raise ProbeError(
                    f"{self.name}: {self.service} reports no health of {self.component!r}: {part!r} is not "
                    f"among {', '.join(sorted(inside)) or 'nothing'}. Are details shown to everyone?"
                )
            health = inside[part]
        return health


def _inside(health: Json) -> Mapping[str, Json]:
    if not isinstance(health, dict):
        return {}
    for key in ("components", "details"):
        inside = health.get(key)
        if isinstance(inside, dict):
            return inside
    return {}


@dataclass(frozen=True, kw_only=True)
class ActuatorMetric:
    """One metric, all its series with the given tags together.

    Reads `{"VALUE": 3.0}`, `{"COUNT": 12.0, "TOTAL_TIME": 0.4, "MAX": 0.1}` and the like, by Micrometer's
    names of the statistics; or None for a metric, or a tag, that the service does not have: a counter is born
    with its first increment, so that is no error.
    """

    name: str
    service: str
    metric: str
    tags: Mapping[str, str] = field(default_factory=dict)

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Look once.

        Raises:
            ProbeError: There was no answer within `timeout_s`, or one of another shape.
        """
        path = f"/actuator/metrics/{self.metric}"
        tags = [("tag", f"{key}:{value}") for key, value in sorted(self.tags.items())]
        answer = look(stack, self.service, path, probe=self.name, timeout_s=timeout_s, params=tags)
        if answer.status == 404:
            return None
        found = as_json(answer, probe=self.name, path=path)
        measurements = found.get("measurements") if isinstance(found, dict) else None
        if not isinstance(measurements, list):
            raise ProbeError(
                f"{self.name}: {path} wanted measurements, got status {answer.status} and {answer.text()}"
            )
        return {str(item["statistic"]): item["value"] for item in measurements if isinstance(item, dict)}


@dataclass(frozen=True, kw_only=True)
class BreakerEvents:
    """The events that a circuit breaker still remembers, oldest first, as resilience4j's endpoint gives them.

    The endpoint keeps a bounded number; a reading a second loses none at the rates of a drill.
    """

    name: str
    service: str
    breaker: str

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Read them.

        Raises:
            ProbeError: There was no answer within `timeout_s`, or one of another shape.
        """
        path = f"/actuator/circuitbreakerevents/{self.breaker}"
        answer = look(stack, self.service, path, probe=self.name, timeout_s=timeout_s)
        found = as_json(answer, probe=self.name, path=path)
        events = found.get("circuitBreakerEvents") if isinstance(found, dict) else None
        if answer.status != 200 or not isinstance(events, list):
            raise ProbeError(
                f"{self.name}: {path} wanted circuitBreakerEvents, got status {answer.status} and "
                f"{answer.text()}"
            )
        return events
