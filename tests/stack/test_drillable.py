"""What a drill is told of a service that has died."""

from harness.stack.drillable import Loss


def test_a_loss_tells_which_service_ended_and_how() -> None:
    assert (
        str(Loss(service="kafka-1", exit_code=-9, of_target=False))
        == "kafka-1 ended by itself with exit code -9"
    )
