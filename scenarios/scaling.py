"""More instances of the shop's services, as the guide's remedies add them: `kubectl scale` with more replicas.

Each counts as one more only once it does its part: a consumer reads records, a gateway passes orders on.
"""

from harness.faults.scaling import ScaledOut
from scenarios.shop import SPARE_CONSUMERS, SPARE_GATEWAYS

MORE_CONSUMERS = ScaledOut(
    service="order-consumer", instances=SPARE_CONSUMERS, work="kafka.consumer.records.consumed.total"
)
MORE_GATEWAYS = ScaledOut(
    service="gateway",
    instances=SPARE_GATEWAYS,
    work="http.server.requests",
    tags={"uri": "/api/v1/orders", "method": "POST"},
)
