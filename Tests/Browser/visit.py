"""A browser in a house, and the checks that use it: what `studio.py` runs in the order of their files."""

import time

from house import browser_path

checks = []


def check(body):
    checks.append(body)
    return body


class Visit:
    """A browser in a house; what goes wrong in the page is kept."""

    def __init__(self, play, house, pictures):
        self.house, self.pictures = house, pictures
        self.browser = play.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        self.faults = []
        self.page = self.open()

    def open(self, width=1280, height=860, scheme="dark", motion="reduce"):
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion=motion,
            accept_downloads=True)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda line: self.faults.append(f"console: {line.text}")
                if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.faults.append(f"page: {error}"))
        page.on("request", lambda request: self.faults.append(f"request beyond: {request.url}")
                if not request.url.startswith((self.house.address, "data:", "blob:")) else None)
        page.goto(f"{self.house.address}/?token={self.house.token}")
        page.wait_for_selector("main h1")
        return page

    def go(self, place, page=None):
        page = page or self.page
        page.goto(f"{self.house.address}/#/{place}")
        page.wait_for_selector("main h1")
        return page

    def picture(self, name, page=None):
        if self.pictures:
            (page or self.page).screenshot(path=str(self.pictures / f"{name}.png"))


def wait_for(condition, seconds=30, what="it"):
    end = time.time() + seconds
    while time.time() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come in {seconds} s")
