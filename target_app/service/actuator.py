"""Health and metrics in the JSON of Spring Boot's Actuator, so that existing tools can read them.

Liveness says that the process answers, readiness that it wants requests, and health how each of the
servers it needs was found just now. Only the first two may decide about restarts and traffic.
"""

import asyncio

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from target_app.service.lifecycle import Health, Lifecycle
from target_app.service.metrics import Metrics
from target_app.service.problems import Problem

# As Spring orders them: the worst known status is the whole's, and what it does not know it leaves out.
_WORST_FIRST = ("DOWN", "OUT_OF_SERVICE", "UP", "UNKNOWN")


def worst(statuses: list[str]) -> str:
    """The status of a whole with parts of these statuses."""
    return next((status for status in _WORST_FIRST if status in statuses), "UNKNOWN")


def routes(lifecycle: Lifecycle, metrics: Metrics) -> APIRouter:
    """The endpoints below `/actuator`."""
    router = APIRouter(prefix="/actuator")

    @router.get("/health")
    async def health() -> JSONResponse:
        found = await asyncio.gather(*(part.health() for part in lifecycle.parts))
        components = {
            part.name: _shown(state) for part, state in zip(lifecycle.parts, found, strict=True) if part.name
        }
        ready = lifecycle.is_ready
        components["readinessState"] = {"status": "UP" if ready else "OUT_OF_SERVICE"}
        components["livenessState"] = {"status": "UP"}
        status = worst([str(component["status"]) for component in components.values()])
        body = {"status": status, "components": components, "groups": ["liveness", "readiness"]}
        return JSONResponse(body, 503 if status in {"DOWN", "OUT_OF_SERVICE"} else 200)

    @router.get("/health/liveness")
    async def liveness() -> JSONResponse:
        return JSONResponse({"status": "UP"})

    @router.get("/health/readiness")
    async def readiness() -> JSONResponse:
        if lifecycle.is_ready:
            return JSONResponse({"status": "UP"})
        return JSONResponse({"status": "OUT_OF_SERVICE"}, 503)

    @router.get("/metrics")
    async def names() -> JSONResponse:
        return JSONResponse({"names": metrics.names()})

    @router.get("/metrics/{name}")
    async def metric(name: str, tag: list[str] = Query(default=[])) -> JSONResponse:  # noqa: B008 - FastAPI's way
        answer = metrics.describe(name, tag)
        if answer is None:
            raise Problem(404, "Not Found", f"no metric {name!r} with the tags {tag}")
        return JSONResponse(answer)

    return router


def _shown(health: Health) -> dict[str, object]:
    return {"status": health.status, **({"details": health.details} if health.details else {})}
