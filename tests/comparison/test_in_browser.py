"""The page in a real browser: skips where there is no Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restorecli.comparison.entry import Told, make_entry
from restorecli.comparison.page import Page
from tests.comparison.scenes import noisy, save, scene

api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NAME = "<img src=x onerror=alert(1)>.png"
MARKUP = f"</script>{NAME}"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos: a large one with places, one named in markup, one that is small."""
    folder = tmp_path_factory.mktemp("page")
    page = Page(folder / "page.html", 3, "Three photos")
    sizes = {"large.png": (900, 1400, 25), NAME: (300, 400, 12), "small.png": (60, 80, 5)}
    for number, (name, (height, width, sigma)) in enumerate(sizes.items()):
        after = save(scene(height, width), folder / f"after{number}.png")
        before = save(noisy(scene(height, width), sigma), folder / f"before{number}.png")
        told = Told(name, "result.png", (f"sigma {sigma}",), (MARKUP,))
        page.add(make_entry(before, after, told, 150_000))
    page.write(MARKUP)
    return folder / "page.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as play:
        try:
            started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"no Chromium can be started: {error.message.splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any, page_file: Path) -> Iterator[Any]:
    """The page, open; whatever it complains of fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("request", lambda request: wrong.append(request.url) if request.url[:5] == "http:" else None)
    page.goto(page_file.as_uri())
    yield page
    assert wrong == []
    context.close()


def percent(page: Any) -> int:
    return int(page.get_by_role("slider").get_attribute("aria-valuenow"))


def name(page: Any) -> str:
    return str(page.locator("#name").inner_text())


def test_the_divider_follows_a_drag_and_cuts_the_result_off(opened: Any) -> None:
    stage = opened.locator("#stage").bounding_box()
    middle = stage["y"] + stage["height"] / 2
    opened.mouse.move(stage["x"] + stage["width"] / 2, middle)
    opened.mouse.down()
    opened.mouse.move(stage["x"] + stage["width"] * 0.25, middle, steps=4)
    opened.mouse.up()
    frame = opened.locator("#before").bounding_box()
    expected = 100 * (stage["x"] + stage["width"] * 0.25 - frame["x"]) / frame["width"]
    assert abs(percent(opened) - expected) <= 1
    cut = opened.locator("#after").evaluate("image => image.style.clipPath")
    left = float(cut.split()[-1].rstrip("px)"))
    assert abs(100 * left / frame["width"] - expected) <= 1


def test_the_divider_follows_the_keys(opened: Any) -> None:
    opened.get_by_role("slider").focus()
    opened.keyboard.press("ArrowLeft")
    opened.keyboard.press("Shift+ArrowLeft")
    assert percent(opened) == 38
    opened.keyboard.press("End")
    assert percent(opened) == 100
    assert opened.get_by_role("slider").get_attribute("aria-valuetext") == "100 % input, 0 % result"


def test_keys_and_buttons_lead_from_photo_to_photo(opened: Any) -> None:
    assert name(opened) == "large.png"
    opened.keyboard.press("j")
    assert name(opened) == NAME
    opened.keyboard.press("PageDown")
    opened.keyboard.press("PageDown")
    assert name(opened) == "small.png"
    opened.get_by_label("Previous photo").click()
    assert name(opened) == NAME
    opened.get_by_role("button", name="small.png").click()
    assert name(opened) == "small.png"
    assert opened.url.endswith("#3")


def test_at_100_percent_a_pixel_is_a_pixel(opened: Any) -> None:
    opened.keyboard.press("z")
    place = opened.locator("#after")
    natural = place.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    frame = place.bounding_box()
    assert [frame["width"], frame["height"]] == natural
    assert frame["x"] == round(frame["x"]) and frame["y"] == round(frame["y"])
    assert opened.locator("#scale").inner_text() == "100 %"
    opened.get_by_role("button", name="200 %").click()
    assert place.bounding_box()["width"] == 2 * natural[0]
    opened.keyboard.press("z")
    assert opened.get_by_role("button", name="Fit").get_attribute("aria-pressed") == "true"


def test_a_stamp_is_enlarged_beyond_the_handle_of_the_divider(opened: Any) -> None:
    opened.get_by_role("button", name="small.png").click()
    assert opened.locator("#after").bounding_box()["width"] == 240
    assert opened.locator("#scale").inner_text() == "300 %"
    assert opened.locator("#picture").evaluate("image => image.classList.contains('pixels')")


def test_a_zoomed_photo_is_moved_by_dragging_and_stays_in_view(opened: Any) -> None:
    opened.get_by_role("button", name="400 %").click()
    stage = opened.locator("#stage").bounding_box()
    before = opened.locator("#after").bounding_box()
    opened.mouse.move(stage["x"] + 100, stage["y"] + 100)
    opened.mouse.down()
    opened.mouse.move(stage["x"] + 160, stage["y"] + 120, steps=3)
    opened.mouse.up()
    after = opened.locator("#after").bounding_box()
    assert (after["x"] - before["x"], after["y"] - before["y"]) == (60, 20)
    opened.mouse.down()
    opened.mouse.move(stage["x"] + 5000, stage["y"] + 5000, steps=3)
    opened.mouse.up()
    assert opened.locator("#after").bounding_box()["x"] == stage["x"]


def test_the_input_alone_is_shown_while_space_is_held(opened: Any) -> None:
    opened.keyboard.down(" ")
    assert not opened.locator("#after").is_visible()
    opened.keyboard.up(" ")
    assert opened.locator("#after").is_visible()


def test_a_double_click_opens_the_place_that_is_there(opened: Any) -> None:
    spot = opened.locator(".spot").first.bounding_box()
    opened.mouse.dblclick(spot["x"] + spot["width"] / 2 + 40, spot["y"] + spot["height"] / 2)
    assert opened.get_by_role("button", name="100 %").get_attribute("aria-pressed") == "true"
    assert opened.locator("#places button").first.get_attribute("aria-pressed") == "true"


def test_everything_has_a_name_and_the_focus_is_seen(opened: Any) -> None:
    names = opened.locator("button").evaluate_all(
        "all => all.map(each => (each.ariaLabel || each.innerText || each.title).trim())"
    )
    assert all(names)
    images = opened.locator("#picture img").evaluate_all("all => all.map(each => each.alt)")
    assert images == ["large.png, input", "large.png, result"]
    opened.keyboard.press("Tab")
    outline = opened.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Any, page_file: Path, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740},
        device_scale_factor=3,
        is_mobile=True,
        has_touch=True,
        color_scheme=scheme,
    )
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    stage = page.locator("#stage").bounding_box()
    page.touchscreen.tap(stage["x"] + stage["width"] * 0.75, stage["y"] + stage["height"] / 2)
    assert percent(page) > 60
    page.get_by_label("Next photo").tap()
    assert name(page) == NAME
    context.close()


def test_without_scripts_the_list_is_there(browser: Any, page_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.get_by_role("button", name="large.png").is_visible()
    assert not page.locator("#viewer").is_visible()
    context.close()
