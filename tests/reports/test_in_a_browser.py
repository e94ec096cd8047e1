"""The pages as their readers have them: in a browser, wide and narrow, light and dark, by keyboard, without script."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page

from harness.recording.records import Finding, Verdict
from harness.recording.rundir import write_findings
from harness.recording.session_standing import SessionStanding
from harness.recording.sessions import Told
from reports import index
from scenarios import chromium
from tests.histories import Drill, innocent_drill, innocent_tables
from tests.tidy.sources import ROOT

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(os.environ.get("DRILLBOOK_SCREENSHOTS", ROOT / "screenshots"))
LOOK = (Path(__file__).parent / "look.js").read_text(encoding="utf-8")
WIDE, PHONE = (1280, 900), (390, 844)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LAG = [2, 0, 5, 40, 90, 31, 0, 0]
HOSTILE = "</script><script>alert(1)</script><img src='http://127.0.0.1:9/x' onerror=alert(2)>\u202e\x00"


@dataclass(kw_only=True)
class Seen:
    """A page in a browser, and whatever it did that a page should not."""

    page: Page
    misdeeds: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium.installed()
    if not path:
        pytest.skip(chromium.NONE)
    with chromium.browser(path) as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index over a session with a PASS, a FAIL, a hostile run and one that was cut off."""
    session = tmp_path_factory.mktemp("site") / "s1"
    for name, verdict in (("pass", Verdict.PASS), ("fail", Verdict.FAIL)):
        _judged(_drill(session / name), verdict)
    hostile = _drill(session / "hostile").operation(HOSTILE, 50.5, "rejected", name=HOSTILE, note=HOSTILE)
    _judged(hostile.reading(HOSTILE, [{HOSTILE: HOSTILE}]), Verdict.FAIL, HOSTILE)
    cut = _drill(session / "cut")
    cut.recorder.close()
    runs = sorted(path for path in session.iterdir() if path.is_dir())
    errors = (Told(scenario=HOSTILE, told=HOSTILE),)
    standing = SessionStanding(name="s1", verdict=Verdict.INCONCLUSIVE, errors=errors)
    index.write(runs, session / "index.html", sessions=[standing])
    return session


def _drill(run_dir: Path) -> Drill:
    drill = innocent_drill(run_dir).tables(innocent_tables())
    for second, lag in enumerate(LAG):
        drill.reading("lag", {"total": lag}, 24 + 3 * second, final=False)
    drill.reading("open_work", None, 30, final=False, error="no answer")
    for second in range(6):
        drill.reading("open_work", [{}] * second, 31 + second, final=False)
    change = {"circuitBreakerName": "paymentService", "creationTime": "2026-09-21T14:13:50+00:00"}
    drill.reading("breaker_events", [change | {"stateTransition": "CLOSED_TO_OPEN"}])
    return drill.operation("late", 52, took_ms=4_000).operation("lost", 53, "unknown")


def _judged(drill: Drill, verdict: Verdict, text: str = "Nobody is charged twice.") -> None:
    drill.ended()
    findings = [
        Finding(
            claim=f"claim-{number}",
            sentence=text,
            source="universal" if number else "Payment",
            verdict=Verdict.PASS if number else verdict,
            because=text,
            evidence=(f"seen: {text}", f"seen: {number}"),
            examples=("o003", text),
        )
        for number in range(3)
    ]
    write_findings(drill.recorder.run_dir, findings)


@contextmanager
def opened(
    browser: Browser, file: Path, size: tuple[int, int] = WIDE, *, script: bool = True
) -> Iterator[Seen]:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        reduced_motion="reduce",
        java_script_enabled=script,
        offline=True,
    )
    seen = Seen(page=context.new_page())

    def asked(url: str) -> None:
        if url != file.as_uri():
            seen.misdeeds.append(f"asked for {url}")

    def dismissed(dialog: Dialog) -> None:
        seen.misdeeds.append(f"asked {dialog.message}")
        dialog.dismiss()

    seen.page.on("console", lambda message: seen.misdeeds.append(f"said {message.text}"))
    seen.page.on("pageerror", lambda error: seen.misdeeds.append(f"broke: {error}"))
    seen.page.on("dialog", dismissed)
    seen.page.on("request", lambda request: asked(request.url))
    try:
        seen.page.goto(file.as_uri())
        yield seen
    finally:
        context.close()
    assert seen.misdeeds == []


def page_of(site: Path, name: str) -> Path:
    return site / "index.html" if name == "index" else site / name / "report.html"


@pytest.mark.parametrize("name", ["pass", "fail", "cut", "hostile", "index"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_page_is_readable_does_nothing_wrong_and_fits(
    browser: Browser, site: Path, name: str, size: tuple[int, int]
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with opened(browser, page_of(site, name), size) as seen:
        for scheme in SCHEMES:
            seen.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            seen.page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{size[0]}.png", full_page=True)
        seen.page.evaluate(
            "document.querySelectorAll('details').forEach((details) => { details.open = true; })"
        )
        for scheme in SCHEMES:
            seen.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert seen.page.evaluate(LOOK) == [], scheme
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert seen.page.evaluate(wider) <= 0


def test_the_look_finds_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<html><h3 style='color: #999; background: #fff'>pale</h3><svg role=img></svg><input id=a><table><th>x</table>"
    )
    with opened(browser, bad) as seen:
        told = " ".join(seen.page.evaluate(LOOK))
    for complaint in (
        "contrast of 2.8",
        "no words",
        "no label",
        "heads",
        "first heading",
        "main part",
        "language",
    ):
        assert complaint in told


def test_every_chart_is_really_drawn_with_as_many_points_as_there_are_data(
    browser: Browser, site: Path
) -> None:
    with opened(browser, page_of(site, "pass")) as seen:
        drawn: dict[str, dict[str, float]] = seen.page.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll(".plot path")].map((path) => {
                const box = path.getBoundingClientRect(), plot = path.closest(".plot").getBoundingClientRect();
                const d = path.getAttribute("d");
                return [path.dataset.name, {
                    points: Number(path.dataset.points),
                    moves: d.match(/M/g).length,
                    steps: d.match(/[MHL]/g).length,
                    width: box.width,
                    inside: box.left >= plot.left - 2 && box.right <= plot.right + 2
                        && box.top >= plot.top - 2 && box.bottom <= plot.bottom + 2,
                }];
            }))"""
        )
        assert all(found["width"] > 0 and found["inside"] for found in drawn.values())
        assert drawn.keys() == {
            "ok",
            "unknown",
            "median",
            "95th percentile",
            "99th percentile",
            "gave up or found no connection",
            "lag: total",
            "open work: rows",
        }
        assert (drawn["ok"]["points"], drawn["ok"]["moves"]) == (21, 21)  # 20 orders, and the late one
        assert (drawn["unknown"]["points"], drawn["median"]["points"]) == (1, 21)
        assert drawn["lag: total"]["points"] == drawn["lag: total"]["steps"] == len(LAG)
        assert seen.page.locator(".plot rect.missed").count() == 1
        assert seen.page.locator(".plot rect.open").count() == 1


def test_everything_shares_the_axis(browser: Browser, site: Path) -> None:
    with opened(browser, page_of(site, "pass")) as seen:
        places = seen.page.evaluate(
            """() => [...document.querySelectorAll(".plot, svg.faults")].map((plot) => {
                const hurt = plot.querySelector("rect.hurt, rect.fault"), box = plot.getBoundingClientRect();
                return hurt && (hurt.getBoundingClientRect().left - box.left) / box.width;
            })"""
        )
        assert len(places) >= 5
        assert places == pytest.approx([26 / 85] * len(places), abs=0.002)


def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser: Browser, site: Path) -> None:
    with opened(browser, page_of(site, "fail")) as seen:
        reached: list[str] = []
        unseen: list[str] = []
        for _ in range(60):
            seen.page.keyboard.press("Tab")
            told, outline, shown = seen.page.evaluate(
                """() => { const at = document.activeElement, box = at.getBoundingClientRect();
                    return [at.id || at.className || at.textContent.trim(), getComputedStyle(at).outlineStyle,
                        box.right > 0 && box.width > 0] }"""
            )
            if seen.page.evaluate("document.activeElement === document.body"):
                break  # past the last of them
            reached.append(str(told))
            if outline == "none" or not shown:
                unseen.append(str(told))
        assert reached[0] == "skip"
        assert {"Time axis", "Claims", "moment"} <= set(reached)
        assert any(told.startswith("o003") for told in reached)
        assert unseen == []


def test_a_moment_can_be_read_with_the_keyboard_and_with_the_pointer(browser: Browser, site: Path) -> None:
    with opened(browser, page_of(site, "pass")) as seen:
        slider, read = seen.page.locator("#moment"), seen.page.locator("#read")
        slider.focus()
        for _ in range(30):
            seen.page.keyboard.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") == "from 30 s"
        assert "phase impact" in " ".join(read.inner_text().split())
        assert "lag: total 5" in " ".join(read.inner_text().split())
        plot = seen.page.locator(".plot").first
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box
        seen.page.mouse.move(box["x"] + box["width"] * 52.5 / 85, box["y"] + 40)
        assert slider.input_value() == "52"
        assert "latency median, ms 4000" in " ".join(read.inner_text().split())


def test_a_link_to_an_operation_opens_its_trail(browser: Browser, site: Path) -> None:
    with opened(browser, page_of(site, "fail")) as seen:
        seen.page.get_by_role("link", name="o003").first.click()
        trail = seen.page.locator("#operation-3")
        trail.get_by_text("status CANCELLED").first.wait_for(state="visible")
        assert trail.get_attribute("open") is not None


def test_a_page_is_complete_without_its_script(browser: Browser, site: Path) -> None:
    with opened(browser, page_of(site, "fail"), script=False) as seen:
        assert seen.page.get_by_label("Read a moment").is_hidden()
        assert seen.page.get_by_text("It is not true that").is_visible()
        assert seen.page.locator(".plot").count() >= 4
        seen.page.get_by_text("The same in figures, step by step").click()
        assert seen.page.get_by_role("columnheader", name="lag: total").is_visible()


def test_hostile_text_is_read_as_text(browser: Browser, site: Path) -> None:
    for name in ("hostile", "index"):
        with opened(browser, page_of(site, name)) as seen:
            assert seen.page.locator("img").count() == 0
            assert "<script>alert(1)</script>" in seen.page.locator("body").inner_text()


def test_an_index_leads_to_the_pages(browser: Browser, site: Path) -> None:
    with opened(browser, page_of(site, "index")) as seen:
        links = [link.get_attribute("href") for link in seen.page.locator("tbody a").all()]
        assert len(links) == 4
        assert all((site / str(link)).is_file() for link in links)
