"""Pictures, forms, faces, models and the queue, by mouse and by keyboard."""

import pathlib
import re

from playwright.sync_api import expect

from house import REPOSITORY
from visit import check, wait_for


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
    # The form's field is focused until the run's page stands.
    page.wait_for_function("document.activeElement === document.body || document.activeElement.id === 'main' || document.activeElement.tagName === 'MAIN'")
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
