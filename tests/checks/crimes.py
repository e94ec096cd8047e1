"""Each way in which a shop can be guilty: one change to the tables of an innocent one."""

from typing import Any

Tables = dict[str, list[dict[str, Any]]]


def row_of(tables: Tables, name: str, **where: Any) -> dict[str, Any]:
    return next(row for row in tables[name] if all(row[key] == value for key, value in where.items()))


def lose_an_order(tables: Tables) -> None:
    tables["orders"].remove(row_of(tables, "orders", order_id="o010"))


def change_what_was_ordered(tables: Tables) -> None:
    row_of(tables, "orders", order_id="o010")["total_cents"] = 501


def swap_what_was_ordered(tables: Tables) -> None:
    """As many pieces of something else."""
    row_of(tables, "orders", order_id="o010")["contents"] = "cup:2"


def make_up_an_order(tables: Tables) -> None:
    tables["orders"].append({**row_of(tables, "orders", order_id="o010"), "order_id": "o999"})


def charge_again(tables: Tables) -> None:
    tables["ledger"].append(dict(row_of(tables, "ledger", order_id="o010")))


def charge_again_and_refund(tables: Tables) -> None:
    charge_again(tables)
    tables["ledger"].append({**row_of(tables, "ledger", order_id="o010"), "kind": "refund"})


def charge_a_cancelled_order(tables: Tables) -> None:
    tables["ledger"].append({**tables["ledger"][0], "order_id": "o001"})


def charge_an_order_nobody_knows(tables: Tables) -> None:
    tables["ledger"].append({**tables["ledger"][0], "order_id": "o999"})


def charge_too_little(tables: Tables) -> None:
    row_of(tables, "ledger", order_id="o010")["amount_cents"] = 499


def forget_to_charge(tables: Tables) -> None:
    tables["ledger"].clear()


def lose_a_mug(tables: Tables) -> None:
    tables["stock"][0]["available"] -= 1


def oversell(tables: Tables) -> None:
    tables["stock"][0].update(available=-5, initial=tables["stock"][0]["sold"] - 5)


def keep_the_goods_of_a_cancelled_order(tables: Tables) -> None:
    row_of(tables, "reservations", order_id="o001")["status"] = "RESERVED"


def reserve_too_few(tables: Tables) -> None:
    row_of(tables, "reservations", order_id="o010")["quantity"] = 1


def reserve_for_nobody(tables: Tables) -> None:
    tables["reservations"].append({**tables["reservations"][-1], "order_id": "o999"})


def leave_an_order_pending(tables: Tables) -> None:
    row_of(tables, "orders", order_id="o010")["status"] = "PENDING"


def invent_a_status(tables: Tables) -> None:
    row_of(tables, "orders", order_id="o010")["status"] = "LIMBO"


def cancel_what_was_to_be_confirmed(tables: Tables) -> None:
    row_of(tables, "orders", order_id="o010")["status"] = "CANCELLED"


def confirm_late(tables: Tables) -> None:
    row_of(tables, "saga_log", order_id="o010", step_name="confirm-order")["executed_at"] += 5_000


def never_confirm(tables: Tables, order_id: str = "o010") -> None:
    tables["saga_log"].remove(row_of(tables, "saga_log", order_id=order_id, step_name="confirm-order"))


def apply_twice(tables: Tables) -> None:
    tables["applied_events"].append({**tables["applied_events"][-1], "seq": 1_000})


def apply_backwards(tables: Tables) -> None:
    first = row_of(tables, "applied_events", order_id="o010", version=1)
    second = row_of(tables, "applied_events", order_id="o010", version=2)
    first["seq"], second["seq"] = second["seq"], first["seq"]


def skip_an_event(tables: Tables) -> None:
    tables["applied_events"].remove(row_of(tables, "applied_events", order_id="o010", version=1))


def stop_before_the_last_event(tables: Tables) -> None:
    tables["applied_events"].remove(row_of(tables, "applied_events", order_id="o010", version=2))


def never_hear_of_an_order(tables: Tables) -> None:
    tables["applied_events"] = [row for row in tables["applied_events"] if row["order_id"] != "o010"]


def apply_an_event_of_nobody(tables: Tables) -> None:
    tables["applied_events"].append({**tables["applied_events"][-1], "order_id": "o999", "seq": 1_000})


def show_what_was(tables: Tables) -> None:
    row_of(tables, "order_view", order_id="o010").update(status="PENDING", version=1)


def show_another_price(tables: Tables) -> None:
    row_of(tables, "order_view", order_id="o010")["total_cents"] = 501


def show_nothing(tables: Tables) -> None:
    tables["order_view"].remove(row_of(tables, "order_view", order_id="o010"))


def show_what_is_not_there(tables: Tables) -> None:
    tables["order_view"].append({**tables["order_view"][0], "order_id": "o999"})


def never_count_versions_up(tables: Tables) -> None:
    stop_before_the_last_event(tables)
    row_of(tables, "orders", order_id="o010")["version"] = 1


def tell_the_wrong_end(tables: Tables) -> None:
    row_of(tables, "applied_events", order_id="o010", version=2)["event_type"] = "OrderCancelled"


def forget_what_was_ordered(tables: Tables) -> None:
    row_of(tables, "orders", order_id="o010")["items"] = []
    tables["reservations"] = [row for row in tables["reservations"] if row["order_id"] != "o010"]


def do_again_what_was_undone(tables: Tables) -> None:
    step = row_of(tables, "saga_log", order_id="o001", step_name="reserve-inventory", status="COMPLETED")
    tables["saga_log"].append({**step, "seq": 999})


def compensate_half_way(tables: Tables) -> None:
    step = row_of(tables, "saga_log", order_id="o001", step_name="reserve-inventory", status="COMPENSATED")
    tables["saga_log"].remove(step)


def never_compensate(tables: Tables) -> None:
    tables["saga_log"] = [
        row for row in tables["saga_log"] if row["order_id"] != "o001" or row["status"] != "COMPENSATED"
    ]


def cancel_without_a_word_in_the_log(tables: Tables) -> None:
    tables["saga_log"] = [row for row in tables["saga_log"] if row["order_id"] != "o001"]


def compensate_forwards(tables: Tables) -> None:
    rows = [row for row in tables["saga_log"] if row["order_id"] == "o001" and row["status"] == "COMPENSATED"]
    rows[0]["seq"], rows[1]["seq"] = rows[1]["seq"], rows[0]["seq"]


def compensate_twice(tables: Tables) -> None:
    step = row_of(tables, "saga_log", order_id="o001", step_name="check-fraud", status="COMPENSATED")
    tables["saga_log"].append({**step, "seq": 999})


def compensate_what_was_never_done(tables: Tables) -> None:
    step = row_of(tables, "saga_log", order_id="o001", status="COMPENSATED")
    tables["saga_log"].append({**step, "step_name": "ship", "seq": 999})
