import socket
from typing import Any

import pytest

from harness.chance import Chance
from harness.errors import ConfigError
from harness.load.operations import (
    NotConnectedError,
    OwnLimitError,
    Request,
    from_record,
    of_wire_error,
    to_record,
)
from harness.recording.records import Outcome
from tests.load.calls import Call


@pytest.mark.parametrize("error", [NotConnectedError("refused"), OwnLimitError("too many open files")])
def test_a_request_without_a_connection_certainly_did_not_happen(error: Exception) -> None:
    assert of_wire_error(error) is Outcome.REJECTED


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        EOFError(),
        socket.gaierror(),
        # Without the word of whoever made the connection, even this may be about a second one.
        ConnectionRefusedError(),
        ValueError("whatever else"),
    ],
)
def test_whatever_may_have_been_sent_may_have_happened(error: Exception) -> None:
    assert of_wire_error(error) is Outcome.UNKNOWN


def test_an_operation_is_the_same_after_its_journey_to_the_generator() -> None:
    original = Call(paths=("slow", "ok"), methods=("GET", "POST"))
    rebuilt = from_record(to_record(original))
    assert [rebuilt.request(number, Chance(7).stream("it")) for number in range(8)] == [
        original.request(number, Chance(7).stream("it")) for number in range(8)
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"type": "tests.load.calls:Gone", "fields": {}},
        {"type": "tests.load.gone:Call", "fields": {}},
        {"type": "tests.load.calls:Call", "fields": {"unheard_of": 1}},
    ],
)
def test_an_operation_that_cannot_be_made_is_named(record: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=record["type"]):
        from_record(record)


@pytest.mark.parametrize("record", [{}, {"type": "tests.load.calls:Faulty"}, {"type": 3}])
def test_a_record_that_is_none_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="the load generator cannot make"):
        from_record(record)


def test_a_body_is_put_into_bytes_once() -> None:
    """It is done before the request's time has come, and would else be done again when it has."""
    made = request({"a": 1})
    assert made.content is made.content


def test_an_operation_that_is_no_dataclass_is_refused() -> None:
    class Loose:
        name = "loose"

    with pytest.raises(ConfigError, match="no dataclass"):
        to_record(Loose())  # type: ignore[arg-type]  # that is the point


def request(body: Any, headers: dict[str, str] | None = None) -> Request:
    return Request(method="POST", path="/", key="k", body=body, headers=headers or {})


def test_a_body_is_sent_as_json_unless_it_is_bytes() -> None:
    assert request({"a": [1, "ü"]}).content == '{"a":[1,"ü"]}'.encode()
    assert request({"a": 1}).all_headers == {"Content-Type": "application/json"}
    assert request(b"\x00raw").content == b"\x00raw"
    assert request(b"\x00raw").all_headers == {}
    assert request(None).content is None


def test_a_body_that_is_empty_json_is_a_body() -> None:
    assert request({}).content == b"{}"


def test_a_type_that_the_operation_names_is_kept() -> None:
    named = {"content-type": "application/merge-patch+json"}
    assert request({}, named).all_headers == named
