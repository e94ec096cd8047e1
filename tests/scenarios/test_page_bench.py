from pathlib import Path

import pytest

from harness.errors import ConfigError
from scenarios import chromium
from scenarios.page_bench import KIB_MAX, written_page


def test_the_page_that_is_measured_is_of_a_run_that_passed_and_shows_its_faults(tmp_path: Path) -> None:
    page = written_page(tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "<title>PASS large-run</title>" in text
    assert "Fault: provider killed" in text
    assert page.stat().st_size <= KIB_MAX * 1024


def test_a_browser_that_is_named_and_missing_is_a_mistake_and_none_at_all_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(chromium.CHROMIUM, raising=False)
    assert chromium.installed() == ""
    monkeypatch.setenv(chromium.CHROMIUM, "no-such-browser")
    with pytest.raises(ConfigError, match="names no-such-browser, which is no program"):
        chromium.installed()
