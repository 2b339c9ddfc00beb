"""What everybody sees: access, narrow windows, the weight of the page, long curves."""

import pathlib
import re

from visit import check


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
