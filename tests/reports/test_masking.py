"""What is secret, or a place on this machine, is on no page; and what is neither is left as it was."""

from pathlib import Path
from time import process_time
from typing import Any

import pytest

from reports.facts import configuration
from reports.masking import HIDDEN, masked, names_a_secret
from tests.histories import Drill

HUSH = "hu5h-Xy/+9="
GUILTY = [
    f"redis://:{HUSH}@cache:6379/0",
    f"redis://shop:{HUSH}@cache:6379",
    "amqp://u:hu5h-Xy/+9=,more@mail@one,amqp://v:hu5h-Xy/+9=@two",
    f"kafka://one:1,redis://:{HUSH}@two:2",
    "https://ghp_hu5h-Xy@example.org/repo.git",
    f"host=db password={HUSH} user=shop",
    f"java -Dssl.keystore.password={HUSH} -jar shop.jar",
    f"--api-key {HUSH} --port 80",
    f'org.PlainLoginModule required username="shop" password="{HUSH}";',
    f'{{"name": "shop", "deep": [{{"db_token": "{HUSH}"}}]}}',
    f"{{'apiKey': '{HUSH}'}}",
    f"Authorization: Bearer {HUSH}",
    f"https://pay.example.org/charge?access_token={HUSH}&x=1",
    f"-----BEGIN RSA PRIVATE KEY-----\n{HUSH}\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("value", GUILTY)
def test_a_secret_within_a_longer_value_is_not_shown(value: str) -> None:
    for shown in (masked(value), str(masked({"a": [value]}))):
        assert "hu5h" not in shown
        assert "Xy" not in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (f"redis://:{HUSH}@cache:6379/0", "redis://:…@cache:6379/0"),
        (f"host=db password={HUSH} user=shop", "host=db password=… user=shop"),
        ("/var/data/ledger.sqlite", "…/ledger.sqlite"),
        ("-Xlog:gc:file=/srv/drills/run-7/gc.log:time -Xmx256m", "-Xlog:gc:file=…/gc.log:time -Xmx256m"),
        ("sqlite:////srv/data/shop.db?mode=ro", "sqlite:///…/shop.db?mode=ro"),
        ("/srv/a/one.jar:/srv/b/two.jar", "…/one.jar:…/two.jar"),
        ("file:///srv/etc/shop.yml", "file://…/shop.yml"),
        (r"C:\shop\data\shop.db", "…/shop.db"),
        ({"log": "/srv/run/a.log", "deep": ["--dir=/srv/run/b/"]}, {"log": "…/a.log", "deep": ["--dir=…/b"]}),
    ],
)
def test_what_is_hidden_leaves_the_rest_in_its_place(value: Any, shown: Any) -> None:
    assert masked(value) == shown


INNOCENT: list[Any] = [
    "postgresql://drillbook@127.0.0.1:31747/orders",
    "http://gateway/api/v1/orders?of=a@b",
    "127.0.0.1:31748,127.0.0.1:31749",
    "ordinary=unlimited,standard-1=standard",
    "4/5 of 3/4",
    "passed the compass",
    "-Xms256m -XX:+UseSerialGC",
    2.5,
    True,
    None,
    [1, {"retries": 3}],
]


@pytest.mark.parametrize("value", INNOCENT)
def test_what_is_neither_is_left_as_it_was(value: Any) -> None:
    assert masked(value) == value


def test_a_setting_is_a_secret_by_its_name(tmp_path: Path) -> None:
    guilty = ["API_TOKEN", "DB_PASSWORD", "DB_PASS", "aws.access-key", "ssl.key.passphrase", "CLIENT_SECRET"]
    assert all(map(names_a_secret, guilty))
    assert not any(map(names_a_secret, ["PASSES_MAX", "KEY_COLUMN", "COMPASS", "TIMEOUT_S", "MONKEY"]))
    drill = Drill(tmp_path)
    settings = {"API_TOKEN": HUSH, "NESTED": {"password": HUSH, "url": f"redis://:{HUSH}@cache"}, "EMPTY": ""}
    history = drill.ended()
    history.run = type(history.run)(**{**vars(history.run), "configuration": {"orders": settings}})
    [part] = configuration(history)
    assert {fact.name: fact.told for fact in part.settings} == {
        "API_TOKEN": HIDDEN,
        "NESTED": f'{{"password":"{HIDDEN}","url":"redis://:…@cache"}}',
        "EMPTY": '""',
    }


LONG = [
    "a" * 1_000_000,
    "token" * 200_000,
    "/a" * 500_000,
    "x://" * 250_000,
    '="' * 500_000,
    "-----BEGIN " * 90_000,
]


@pytest.mark.parametrize("text", LONG)
def test_a_megabyte_is_masked_in_a_moment(text: str) -> None:
    began = process_time()
    assert masked(text) is not None
    assert process_time() - began < 10
