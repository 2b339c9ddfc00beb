"""Who may not come in, and trainings: started, watched, stopped, lost and found."""

import json
import re
import time

from playwright.sync_api import expect

from visit import check, wait_for


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
