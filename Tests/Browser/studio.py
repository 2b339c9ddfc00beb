"""Drives the web studio in a real browser: every screen by mouse and by keyboard, and who may not come in.

usage: studio.py STUDIO ATELIER [--only WORD] [--pictures FOLDER]
"""

import argparse
import json
import pathlib
import re
import sys
import time
import traceback

from playwright.sync_api import expect, sync_playwright

from house import REPOSITORY, House, browser_path

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


# Who may not come in.


@check
def doors_are_shut(visit):
    house = visit.house
    cookie = house.cookie()

    def status(head, method="GET", path="/api/runs", **fields):
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        answer, _ = house.raw(f"{method} {path} HTTP/1.1\r\n{head}{lines}\r\n")
        return int(answer.split()[1])

    own = f"Host: 127.0.0.1:{house.port}\r\nCookie: {cookie}\r\n"
    assert status(own) == 200
    assert status("Host: evil.example\r\nCookie: " + cookie + "\r\n") == 421
    assert status(own, Origin="http://evil.example") == 403
    assert status(own, Sec_Fetch_Site="cross-site") == 403
    assert status(f"Host: 127.0.0.1:{house.port}\r\n") == 401
    assert status(f"Host: 127.0.0.1:{house.port}\r\nCookie: {cookie[:-1]}\r\n") == 401
    for path in ("/assets/../../etc/passwd", "/assets/%2e%2e%2ftoken", "/api/folders?path=/etc",
                 "/api/uploads/..%2f..%2ftoken", "/api/runs/..%2f..%2f/files/0"):
        assert status(own, path=path) in (400, 404), path
    large = status(own, "POST", "/api/uploads?name=a.png", Content_Length=str(1 << 40))
    assert large == 413, large
    head, _ = house.raw("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "x" * (1 << 20) + "\r\n\r\n")
    assert not head or int(head.split()[1]) in (400, 413, 414, 431), head
    assert house.process.poll() is None
    wrong = visit.browser.new_context().new_page()
    wrong.goto(f"{house.address}/?token={'0' * 64}")
    assert "token" in wrong.content()
    wrong.context.close()


@check
def nothing_there_yet(visit):
    page = visit.go("runs")
    expect(page.get_by_text("No run yet")).to_be_visible()
    expect(page.get_by_role("button", name="Start a sample training")).to_be_visible()
    assert page.locator("pre").inner_text().count("atelier ") == 2
    visit.picture("empty", page)


# A training, by mouse.


@check
def a_training_starts_in_five_clicks_and_its_curve_grows(visit):
    house = visit.house
    page = visit.open()
    clicks = [("link", "New", True)]
    page.get_by_role("link", name="New", exact=True).click()
    page.get_by_label("Preset").select_option("A first look (3 minutes)")
    clicks += ["preset", "its line"]
    expect(page.get_by_text("The tool would do this.")).to_be_visible()
    line = page.locator(".drawer .line").inner_text()
    assert line.startswith("atelier denoise train --run runs/denoise-"), line
    visit.picture("new", page)
    page.get_by_role("button", name="Start training").click()
    clicks.append("start")
    assert len(clicks) <= 5
    expect(page.get_by_role("img", name=re.compile("^Loss:"))).to_be_visible(timeout=90_000)
    visit.run = re.search(r"run/([0-9a-f]{16})", page.url)[1]

    def last_step():
        found = re.search(r"Step\s*(\d+) of 4000", page.locator(".figures").inner_text())
        return int(found[1]) if found else 0

    first = wait_for(last_step, what="a step")
    wait_for(lambda: last_step() > first + 20, what="a later step")

    def drawn():
        return page.evaluate("document.querySelector('.chart').chart.span[1] ?? 0")

    wait_for(lambda: drawn() > first + 10, what="a curve to the later step")
    expect(page.locator(".chip").first).to_contain_text("running")
    expect(page.get_by_label("Previews")).to_be_visible(timeout=60_000)
    visit.picture("run", page)
    # The view is in the address.
    page.get_by_role("button", name="Log scale").click()
    assert "log=1" in page.url
    page.context.close()
    visit.house = house


@check
def the_server_is_killed_and_finds_its_run(visit):
    house, page = visit.house, visit.page
    page.goto(f"{house.address}/#/run/{visit.run}")
    expect(page.locator(".chip").first).to_contain_text("running")
    house.kill()
    expect(page.get_by_text("The studio does not answer")).to_be_visible()
    expect(page.locator(".connection")).to_contain_text("disconnected")
    faults = list(visit.faults)
    house.start()
    expect(page.locator(".connection")).to_contain_text("connected", timeout=20_000)
    expect(page.get_by_text("The studio does not answer")).to_be_hidden()
    # A browser reports connections that fail; those were meant to.
    visit.faults[:] = [line for line in faults if "ERR_" not in line]
    jobs = house.json("/api/jobs")
    assert [job["state"] for job in jobs] == ["running"], jobs
    expect(page.locator(".chip").first).to_contain_text("running")


@check
def stop_saves_and_resume_goes_on(visit):
    house, page = visit.house, visit.page
    page.goto(f"{house.address}/#/run/{visit.run}")
    run = next(house.root.glob("runs/denoise-*"))
    wait_for(lambda: (run / "state.safetensors").exists(), 60, "a state")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".chip").first).to_contain_text("interrupted", timeout=30_000)
    assert (run / "last.safetensors").exists()
    lines = (run / "events.jsonl").read_text().splitlines()
    stopped = json.loads(lines[-1])
    assert stopped["event"] == "stopped" and stopped["reason"] == "interrupted"
    wait_for(lambda: all(job["state"] == "interrupted" for job in house.json("/api/jobs")), 10, "the job's end")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".chip").first).to_contain_text("running", timeout=60_000)
    wait_for(lambda: '"resumed"' in (run / "events.jsonl").read_text(), 60, "the resume")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".chip").first).to_contain_text("interrupted", timeout=30_000)


@check
def an_event_is_soon_on_the_screen(visit):
    house, page = visit.house, visit.page
    run = house.make_run("beat", reason=None)
    identity = wait_for(lambda: next((row["id"] for row in house.json("/api/runs?search=beat")["rows"]), None),
                        15, "the run")
    page.goto(f"{house.address}/#/run/{identity}")
    expect(page.locator(".figures")).to_contain_text("200 of 200")
    page.wait_for_timeout(500)
    page.evaluate("""() => { window.seen = {}; new MutationObserver(() => {
        const found = /Step\\s*(\\d+)/.exec(document.querySelector('.figures').textContent);
        if (found && !(found[1] in window.seen)) window.seen[found[1]] = Date.now();
      }).observe(document.querySelector('.figures'), { childList: true, subtree: true, characterData: true }); }""")
    delays = []
    for step in range(210, 310, 10):
        event = {"event": "step", "loss": 0.1, "smoothedLoss": 0.1, "seconds": step, "step": step,
                 "imagesPerSecond": 10, "learningRate": 0.001, "gradientNorm": 1}
        with open(run / "events.jsonl", "a") as log:
            log.write(json.dumps(event) + "\n")
        written = time.time() * 1000
        seen = wait_for(lambda: page.evaluate(f"window.seen['{step}']"), 5, f"step {step}")
        delays.append(seen - written)
        page.wait_for_timeout(130)
    delays.sort()
    print(f"    event to screen: median {delays[len(delays) // 2]:.0f} ms, longest {delays[-1]:.0f} ms")
    # A log that begins anew is drawn anew.
    (run / "events.jsonl").write_text(json.dumps(
        {"event": "step", "loss": 1, "smoothedLoss": 1, "seconds": 1, "step": 10}) + "\n")
    expect(page.locator(".figures")).to_contain_text(re.compile(r"Step\s*10(?!\d)"))


# Pictures.


@check
def a_picture_is_denoised_in_four_clicks(visit):
    house = visit.house
    page = visit.open()
    clicks = 1  # the address itself
    page.get_by_role("link", name="Darkroom").click()
    clicks += 1
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose pictures").click()
    clicks += 1
    chooser.value.set_files([str(REPOSITORY / "Samples/noisy/bird.png")])
    expect(page.get_by_text("1 picture on the table")).to_be_visible()
    page.locator(".submit").get_by_role("button", name="Denoise").click()
    clicks += 1
    assert clicks <= 4
    expect(page.locator(".captions")).to_contain_text(
        re.compile(r"noise σ 2[0-9.]+ of 255 \(estimated\) · white noise"), timeout=60_000)
    assert "atelier denoise run " in page.locator(".drawer .line").inner_text()
    visit.picture("darkroom", page)
    for name in ("Before", "After", "Side by side", "Difference", "Blend", "Split"):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
    canvas = page.locator(".viewer canvas")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".readout")).to_contain_text(re.compile(r"x \d+, y \d+: before \d+ \d+ \d+ · after \d+ \d+ \d+"))
    page.get_by_role("button", name="1:1").click()
    expect(page.locator(".tools output")).to_contain_text("100 %")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -600)
    wait_for(lambda: "100 %" not in page.locator(".tools output").inner_text(), 5, "the zoom")
    # By keys: the split moves, the mode turns, the picture fits.
    canvas.focus()
    before = page.get_by_label("Before and after").input_value()
    page.keyboard.press("ArrowRight")
    assert page.get_by_label("Before and after").input_value() != before
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="After", exact=True)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("f")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save this").click()
    assert pathlib.Path(download.value.path()).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    # The same from its address.
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator(".captions")).to_contain_text("noise σ")
    page.context.close()
    assert house.process.poll() is None


@check
def every_tool_of_the_darkroom_works(visit):
    page = visit.go("darkroom")
    fashion = sorted((REPOSITORY / "Samples/fashion").glob("*/*.png"))[:3]
    for title, files, told in (
            ("Segment", sorted((REPOSITORY / "Samples/shapes/images").glob("*.png"))[:2], "background"),
            ("Classify", fashion, "%"), ("Attack", fashion, "fooled"), ("Generate", [], "pictures.png")):
        visit.go("runs")
        page.reload()
        visit.go(f"darkroom?tool={title.lower()}")
        page.get_by_role("button", name=title, exact=True).first.wait_for()
        if files:
            page.set_input_files("input[type=file]", [str(file) for file in files])
            expect(page.get_by_text(f"{len(files)} pictures on the table")).to_be_visible()
        page.locator(".submit").get_by_role("button", name=title).click()
        expect(page.locator(".submit .chip")).to_contain_text("finished", timeout=60_000)
        expect(page.locator(".captions")).to_contain_text(told)
        if title == "Segment":
            expect(page.get_by_role("button", name="mask", exact=True)).to_be_visible()
            page.get_by_role("button", name="mask", exact=True).click()
            visit.picture("segment", page)


@check
def a_face_is_swapped_and_a_missing_one_says_what_to_change(visit):
    characters = REPOSITORY / "Samples/characters"
    for file, told in ((characters / "maeve-1.png", "1 face"),
                       (REPOSITORY / "Samples/clean/bird.png", "see whether Samples/characters/boxes.csv names")):
        visit.go("runs")
        page = visit.page
        page.reload()
        visit.go("darkroom?tool=swap")
        expect(page.get_by_text("only of people who agreed")).to_be_visible()
        page.set_input_files("input[type=file]", [str(file)])
        expect(page.get_by_text("1 picture on the table")).to_be_visible()
        page.locator("summary", has_text="Options").first.click()
        page.locator("summary", has_text="Face options").click()
        page.get_by_label("boxes", exact=True).fill("Samples/characters/boxes.csv")
        page.get_by_label("align", exact=True).select_option("box")
        page.locator(".submit").get_by_role("button", name="Swap").click()
        expect(page.locator(".submit .chip")).to_contain_text("finished", timeout=60_000)
        expect(page.locator(".captions")).to_contain_text(told)
        visit.picture("swap", page)


@check
def a_wrong_picture_is_told_in_the_tools_own_words(visit):
    page = visit.go("darkroom?tool=denoise")
    damaged = visit.house.scratch / "cut.png"
    damaged.write_bytes((REPOSITORY / "Samples/noisy/bird.png").read_bytes()[:5000])
    note = visit.house.scratch / "note.png"
    note.write_text("no picture")
    page.reload()
    faults = list(visit.faults)
    page.set_input_files("input[type=file]", [str(note)])
    expect(page.locator(".toast.error").first).to_contain_text("expected a PNG, JPEG, TIFF or WebP picture")
    page.set_input_files("input[type=file]", [str(damaged)])
    expect(page.get_by_text("1 picture on the table")).to_be_visible()
    page.locator(".submit").get_by_role("button", name="Denoise").click()
    expect(page.locator("p.error:visible").first).to_contain_text("cut.png", timeout=30_000)
    # The browser reports the refused upload and the cut picture, which were meant.
    visit.faults[:] = faults
    page.reload()


@check
def mistakes_stand_beside_their_field(visit):
    page = visit.go("new/denoise/run")
    page.get_by_label("in needed", exact=False).first.fill("Samples/noisy")
    page.get_by_label("sigma", exact=True).fill("300")
    expect(page.locator("#field-sigma-error")).to_contain_text("0 to 255; received 300")
    assert page.locator("#field-sigma").get_attribute("aria-invalid") == "true"
    page.get_by_label("sigma", exact=True).fill("30")
    expect(page.get_by_text("The tool would do this.")).to_be_visible()
    page.goto(f"{visit.house.address}/#/new/denoise/train")
    taken = next(visit.house.root.glob("runs/denoise-*")).name
    page.get_by_label("run needed", exact=False).fill(f"runs/{taken}")
    page.get_by_label("network", exact=False).first.select_option("unet")
    page.get_by_label("scenes").fill("2")
    page.get_by_label("steps", exact=True).fill("10")
    expect(page.locator("#field-run-error")).to_contain_text("holds a run already")
    expect(page.get_by_role("button", name="Resume the run that is there")).to_be_visible()


@check
def by_keyboard_alone(visit):
    page = visit.go("runs")
    press = page.keyboard.press
    page.locator("body").focus()
    page.wait_for_selector("table.runs tbody tr")
    press("x"), press("j"), press("x"), press("c")
    page.wait_for_url("**/#/compare?runs=*")
    expect(page.get_by_role("heading", name="Figures")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Loss:"))).to_be_visible()
    press("d")
    assert "all=1" in page.url
    visit.picture("compare", page)
    press("g"), press("r")
    page.wait_for_url("**/#/runs*")
    page.wait_for_selector("table.runs tbody tr")
    press("/")
    page.keyboard.type("denoise")
    page.wait_for_url(re.compile("search=denoise"))
    press("Escape")
    wait_for(lambda: page.locator("table.runs tbody tr").count() >= 1, 5, "the list")
    press("Enter")
    page.wait_for_url("**/#/run/*")
    page.wait_for_selector(".charts .chart")
    press("l")
    page.wait_for_url(re.compile("log=1"))
    press("ArrowLeft")
    press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    press("Escape")
    press("g"), press("n")
    page.wait_for_url("**/#/new/**")
    page.wait_for_selector(".form")
    # Through the form by Tab alone, then Ctrl-Enter.
    for _ in range(60):
        press("Tab")
        if page.evaluate("document.activeElement.id") == "field-run":
            break
    assert page.evaluate("document.activeElement.id") == "field-run"
    press("Control+a")
    page.keyboard.type("runs/by-keys")
    press("Tab"), press("Tab")
    page.keyboard.type("auto")
    for name, text in (("field-scenes", "1"), ("field-steps", "20")):
        for _ in range(20):
            press("Tab")
            if page.evaluate("document.activeElement.id") == name:
                break
        page.keyboard.type(text)
    press("Control+Enter")
    page.wait_for_url("**/#/run/*")
    press("g"), press("q")
    page.wait_for_url("**/#/queue*")
    page.wait_for_selector(".job")
    visit.picture("queue", page)
    wait_for(lambda: all(job["state"] not in ("running", "queued", "starting") for job in visit.house.json("/api/jobs")),
             90, "the training's end")
    expect(page.locator(".job .chip.running, .job .chip.starting")).to_have_count(0)
    count = page.locator(".job").count()
    press("Delete")
    wait_for(lambda: page.locator(".job").count() == count - 1, 5, "the removal")
    press("g"), press("m")
    page.wait_for_selector(".card")
    press("g"), press("f")
    page.wait_for_url("**/#/faces*")
    press("g"), press("d")
    page.wait_for_url("**/#/darkroom*")


@check
def faces_are_cut_out_looked_through_and_removed(visit):
    house = visit.house
    page = visit.go("new/swap/extract")
    page.get_by_label("in needed", exact=False).first.fill("Samples/characters")
    page.get_by_label("output needed", exact=False).fill("faces/all")
    page.locator("summary", has_text="Face options").click()
    page.get_by_label("boxes", exact=True).fill("Samples/characters/boxes.csv")
    expect(page.get_by_text("The tool would do this.")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/#/queue*")
    wait_for(lambda: (house.root / "faces/all/alignments.json").exists(), 60, "the faces")
    page.get_by_role("link", name="Faces", exact=True).click()
    expect(page.get_by_text("only of people who agreed")).to_be_visible()
    page.get_by_role("link", name="faces/all").click(timeout=20_000)
    expect(page.locator(".faces li")).to_have_count(8)
    visit.picture("faces", page)
    page.keyboard.press("x"), page.keyboard.press("ArrowRight"), page.keyboard.press("x")
    page.get_by_role("button", name="Remove 2").click()
    page.get_by_role("button", name="Remove", exact=True).last.click()
    expect(page.locator(".faces li")).to_have_count(6)
    assert len(list((house.root / "faces/all/removed").iterdir())) == 2


@check
def two_sets_of_faces_are_trained_and_the_run_says_when_the_goal_comes(visit):
    house = visit.house
    for key, name in (("a", "maeve"), ("b", "solomon")):
        house.call("swap", "extract", *sorted(str(file) for file in (REPOSITORY / "Samples/characters").glob(f"{name}-*.png")),
                   "-o", house.root / "faces" / key, "--boxes", REPOSITORY / "Samples/characters/boxes.csv", "--align", "box")
    page = visit.go("faces")
    def card(key):
        return page.locator(".card").filter(has=page.get_by_role("link", name=f"faces/{key}", exact=True))

    card("a").get_by_role("button", name="A", exact=True).click(timeout=20_000)
    # The other by keys: from card to card, and b.
    page.locator("body").focus()
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    for _ in range(8):
        if "current" in card("b").get_attribute("class"):
            break
        page.keyboard.press("ArrowRight")
    page.keyboard.press("b")
    expect(page.get_by_text("A faces/a, B faces/b")).to_be_visible()
    page.get_by_role("button", name="Train A and B").click()
    page.wait_for_url("**/#/new/swap/train*")
    assert page.get_by_label("a", exact=True).input_value() == "faces/a"
    assert page.get_by_label("b", exact=True).input_value() == "faces/b"
    page.get_by_label("run needed", exact=False).fill("runs/two")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.get_by_label("preview every").fill("20")
    expect(page.get_by_text("The tool would do this.")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/#/run/*")
    expect(page.locator(".figures")).to_contain_text("Outlook", timeout=120_000)
    expect(page.locator(".figures")).to_contain_text("0.02")
    expect(page.get_by_label("Previews")).to_be_visible(timeout=120_000)
    expect(page.get_by_label("Previews")).to_contain_text(re.compile("A.*B"))
    visit.picture("outlook", page)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".chip").first).to_contain_text("interrupted", timeout=60_000)


@check
def a_damaged_model_says_what_was_expected_and_what_came(visit):
    run = visit.house.make_run("damaged")
    (run / "best.safetensors").write_bytes(b"no model at all")
    identity = wait_for(lambda: next((row["id"] for row in visit.house.json("/api/runs?search=damaged")["rows"]), None),
                        15, "the run")
    faults = list(visit.faults)
    page = visit.go(f"models/run/{identity}")
    expect(page.get_by_role("alert")).to_contain_text(re.compile("best.safetensors.*expected.*(received|came)"))
    # The browser reports the refused answer, which was meant.
    visit.faults[:] = faults


@check
def models_are_walked(visit):
    page = visit.go("models")
    page.get_by_role("link", name=re.compile("denoise-color")).click()
    expect(page.get_by_role("heading", name="Filters")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".layers .current")).to_be_visible()
    page.get_by_text("Plan", exact=True).click()
    expect(page.get_by_text("arena of")).to_be_visible()
    visit.picture("model", page)


@check
def a_failed_job_tells_why_and_is_tried_again(visit):
    house = visit.house
    page = visit.go("queue")
    page.evaluate("""() => fetch('/api/jobs', { method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ path: 'denoise run', words: { in: ['Samples/README.md'], output: ['@results'] } }) })""")
    job = page.locator(".job", has_text="README.md").filter(has_text="failed").first
    expect(job).to_be_visible()
    expect(job).to_contain_text("exit code 6")
    job.get_by_role("button", name="Retry").click()
    wait_for(lambda: sum(job["state"] == "failed" for job in house.json("/api/jobs")) >= 2, 20, "the second failure")


# What everybody sees.


@check
def nobody_is_shut_out_by_a_fault_of_access(visit):
    import axe_core_python
    script = (pathlib.Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
    for scheme in ("dark", "light"):
        page = visit.open(scheme=scheme)
        for place in ("runs", f"run/{visit.run}", "new", "new/swap/train", f"compare?runs={visit.run}", "darkroom", "faces",
                      "models", "models/shipped/3", "queue"):
            visit.go(place, page)
            page.wait_for_timeout(700)
            if not page.evaluate("typeof window.axe === 'object'"):
                page.evaluate(script)
            result = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
            serious = [fault for fault in result["violations"] if fault["impact"] in ("serious", "critical")]
            told = [f"{fault['id']}: {node['html'][:160]} {node['any'][:1]}" for fault in serious for node in fault["nodes"][:3]]
            assert not serious, f"{scheme} {place}: {told}"
        page.context.close()


@check
def narrow_windows_and_large_letters_lose_nothing(visit):
    page = visit.open(width=320, height=640)
    for place in ("runs", f"run/{visit.run}", "new", "darkroom", f"compare?runs={visit.run}", "models/shipped/3", "queue"):
        visit.go(place, page)
        page.wait_for_timeout(500)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        widest = page.evaluate("""() => [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1).slice(0, 6).map((one) => `${Math.round(one.getBoundingClientRect().right)} ${one.outerHTML.slice(0, 100)}`)""")
        assert wide <= 0, f"{place} is {wide} pixels too wide: {widest}"
    visit.picture("narrow", page)
    page.context.close()


@check
def the_page_is_light(visit):
    sizes = []
    context = visit.browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(f"{visit.house.address}/?token={visit.house.token}")
    page.wait_for_selector("main h1")
    page.wait_for_timeout(500)
    print(f"    the page: {sum(sizes) / 1000:.0f} kB over the wire in {len(sizes)} requests")
    assert sum(sizes) <= 200_000
    context.close()


@check
def a_constant_curve_is_drawn(visit):
    page = visit.go("runs")
    taken = page.evaluate("""async () => {
      const { Chart } = await import('/assets/plot.js');
      const begin = performance.now();
      for (const raw of [[300, 300.00000000000006, 300], [0.001, 0.001, 0.001], [0, 0, 0], [-5, -5, null], [7]]) {
        const chart = new Chart({ title: 'flat' });
        document.querySelector('main').append(chart.figure);
        chart.set([{ label: 'flat', x: raw.map((_, index) => index * 10), raw, color: '#6fb1ff' }]);
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        chart.destroy();
        chart.figure.remove();
      }
      return performance.now() - begin;
    }""")
    assert taken < 5000, taken


@check
def a_long_curve_is_drawn_at_once(visit):
    page = visit.go("runs")
    taken = page.evaluate("""async () => {
      const { Chart } = await import('/assets/plot.js');
      const { smoothed } = await import('/assets/runlog.js');
      const x = Array.from({ length: 100000 }, (_, index) => index * 10);
      const raw = x.map((step) => 1 / (1 + step / 5000) + Math.random() * 0.05);
      const chart = new Chart({ title: 'long' });
      document.querySelector('main').append(chart.figure);
      const times = [];
      for (let round = 0; round < 5; round += 1) {
        const begin = performance.now();
        chart.set([{ label: 'loss', x, raw, smooth: smoothed(raw, 0.9), color: '#6fb1ff' }], true);
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        times.push(performance.now() - begin);
      }
      chart.destroy();
      chart.figure.remove();
      return times.sort((one, other) => one - other);
    }""")
    print(f"    100,000 points: median {taken[2]:.0f} ms, longest {taken[-1]:.0f} ms")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("studio")
    arguments.add_argument("atelier")
    arguments.add_argument("--only", default="")
    arguments.add_argument("--pictures", type=pathlib.Path)
    options = arguments.parse_args()
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    house = House(options.studio, options.atelier).start()
    failed, ran = [], 0
    with sync_playwright() as play:
        visit = Visit(play, house, options.pictures)
        visit.run = "0" * 16
        for body in checks:
            name = body.__name__.replace("_", " ")
            if options.only and not re.search(options.only, name):
                continue
            begin = time.time()
            ran += 1
            try:
                body(visit)
                assert not visit.faults, "; ".join(visit.faults[:5])
                print(f"passed: {name} ({time.time() - begin:.1f} s)", flush=True)
            except Exception as error:  # each check is told, and the rest still runs
                failed.append(name)
                print(f"FAILED: {name}: {str(error)[:1500]}", *visit.faults[:5], sep="\n    ", flush=True)
                if options.pictures:
                    visit.page.screenshot(path=str(options.pictures / f"failed-{len(failed)}.png"))
                    traceback.print_exc()
            visit.faults.clear()
        visit.browser.close()
    house.end()
    print(f"{ran - len(failed)} of {ran} checks passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
