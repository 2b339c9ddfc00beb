"""Measures the web studio: ten thousand runs, memory, processor, a load of nonsense, a hundred tabs beside a training.

usage: figures.py STUDIO ATELIER [runs] [idle] [nonsense] [tabs]
"""

import json
import random
import socket
import subprocess
import sys
import threading
import time

from house import House


def runs(house):
    """Ten thousand run folders: how soon the index has all, and how soon it gives a list."""
    template = house.make_run("template", steps=30)
    parts = {name: (template / name).read_bytes() for name in
             ("about.json", "configuration.json", "events.jsonl", "run.lock")}
    for number in range(10_000):
        run = house.root / "runs" / f"many-{number:05}"
        run.mkdir()
        for name, data in parts.items():
            (run / name).write_bytes(data.replace(b"template", b"seed%d" % number))
    begin = time.time()
    house.start()
    while True:
        total = house.json("/api/runs?limit=1")["total"]
        if total > 10_000:
            break
        time.sleep(0.05)
    print(f"index of {total} runs built in {time.time() - begin:.1f} s after the start, "
          f"{house.seconds():.1f} s of processor")
    cookie = house.cookie()
    for path in ("/api/runs?limit=100", "/api/runs?sort=best&limit=100", "/api/runs?search=seed77&limit=100",
                 "/api/runs?sort=name&order=up&offset=9000&limit=100"):
        times = []
        for _ in range(15):
            begin = time.time()
            status, _ = house.get(path, Cookie=cookie)
            times.append((time.time() - begin) * 1000)
            assert status == 200
        times.sort()
        print(f"  {path}: median {times[7]:.1f} ms, longest {times[-1]:.1f} ms")
    print(f"  memory {house.memory():.1f} MB")


def idle(house):
    """Memory and processor of a studio that nobody looks at."""
    for number in range(20):
        house.make_run(f"run{number}")
    house.start()
    time.sleep(3)
    begin, taken = time.time(), house.seconds()
    time.sleep(30)
    print(f"idle: {house.memory():.1f} MB, {(house.seconds() - taken) * 1000:.0f} ms of processor "
          f"in {time.time() - begin:.0f} s")


def nonsense(house, rate=2000, seconds=60):
    """Malformed, slow, huge, cut off, tricks with paths, beside a training."""
    house.start()
    training = subprocess.Popen(
        [house.tool, "denoise", "train", "--run", "runs/beside", "--network", "autoencoder", "--scenes", "2",
         "--widths", "8,16", "--patch", "32", "--batch", "4", "--minutes", "3", "--threads", "1"],
        cwd=house.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cookie = house.cookie().encode()
    own = b"Host: 127.0.0.1\r\nCookie: " + cookie + b"\r\n"
    shapes = [
        b"GET /../../etc/passwd HTTP/1.1\r\n" + own + b"\r\n",
        b"GET /assets/%2e%2e%2f%2e%2e%2ftoken HTTP/1.1\r\n" + own + b"\r\n",
        b"GET /api/runs?search=%00%ff%22*&sort=;DROP HTTP/1.1\r\n" + own + b"\r\n",
        b"GET /api/runs/zzzz HTTP/1.1\r\n" + own + b"\r\n",
        b"GET /api/runs HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"POST /api/jobs HTTP/1.1\r\n" + own + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{{{{{{{{",
        b"POST /api/uploads?name=a HTTP/1.1\r\n" + own + b"Content-Length: 99999999999\r\n\r\nxxxx",
        b"POST /api/uploads HTTP/1.1\r\n" + own + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\nxx",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET", b"\r\n\r\n\r\n", b"G" * 3000,
        b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 400 + b"\r\n",
        b"GET /api/live?log=%00 HTTP/1.1\r\n" + own + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + own + b"Origin: null\r\n\r\n",
    ]
    counts = {"sent": 0, "answered": 0, "refused": 0}
    lock = threading.Lock()
    stop = time.time() + seconds
    most = [house.memory()]

    def one(generator):
        data = generator.choice(shapes)
        if generator.random() < 0.2:
            data = data[:generator.randrange(1, len(data) + 1)]
        try:
            with socket.create_connection(("127.0.0.1", house.port), timeout=2) as line:
                line.sendall(data)
                line.settimeout(0.02)
                try:
                    answered = bool(line.recv(200))
                except OSError:
                    answered = False
            with lock:
                counts["sent"] += 1
                counts["answered"] += answered
        except OSError:
            with lock:
                counts["refused"] += 1

    def worker(seed):
        generator = random.Random(seed)
        while time.time() < stop:
            one(generator)

    # Some open a line and say a byte now and then.
    slow = []
    for _ in range(50):
        line = socket.create_connection(("127.0.0.1", house.port), timeout=5)
        line.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        slow.append(line)
    threads = [threading.Thread(target=worker, args=(seed,)) for seed in range(48)]
    for thread in threads:
        thread.start()
    while time.time() < stop:
        most.append(house.memory())
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    for line in slow:
        line.close()
    assert house.process.poll() is None, "the studio ended"
    status, _ = house.get("/api/runs")
    assert status == 200
    assert training.poll() is None, "the training ended"
    training.terminate()
    training.wait()
    time.sleep(3)
    print(f"nonsense: {counts['sent'] / seconds:.0f} a second for {seconds} s ({counts}), memory at most "
          f"{max(most):.1f} MB, {house.memory():.1f} MB afterwards; the studio answers, the training went on")


def tabs(house, count=100):
    """A training alone, beside a studio with open pages, and alone again, in turns."""
    house.start()
    cookie = house.cookie()

    def steps(name):
        run = house.root / "runs" / name
        subprocess.run(
            [house.tool, "denoise", "train", "--run", f"runs/{name}", "--network", "autoencoder", "--scenes", "2",
             "--widths", "16,32", "--patch", "48", "--batch", "8", "--minutes", "0.5", "--threads", "1"],
            cwd=house.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return json.loads((run / "events.jsonl").read_text().splitlines()[-1])["step"]

    alone, beside, shares = [], [], []
    for turn in range(3):
        alone.append(steps(f"alone{turn}"))
        lines = []
        for _ in range(count):
            line = socket.create_connection(("127.0.0.1", house.port))
            line.sendall(f"GET /api/live HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode())
            lines.append(line)
        ending = threading.Event()

        def drain():
            while not ending.is_set():
                for line in lines:
                    line.setblocking(False)
                    try:
                        line.recv(1 << 20)
                    except OSError:
                        pass
                time.sleep(0.5)

        reader = threading.Thread(target=drain)
        reader.start()
        taken = house.seconds()
        beside.append(steps(f"beside{turn}"))
        shares.append(house.seconds() - taken)
        ending.set()
        reader.join()
        for line in lines:
            line.close()
    print(f"steps in half a minute alone {alone}, beside {count} open pages {beside}: "
          f"{100 * (1 - sum(beside) / sum(alone)):.1f} % slower; meanwhile the studio took "
          f"{', '.join(f'{share:.2f}' for share in shares)} s of processor")


def main():
    studio, tool, *names = sys.argv[1:]
    for name in names or ["runs", "idle", "nonsense", "tabs"]:
        house = House(studio, tool, samples=False)
        try:
            globals()[name](house)
        finally:
            house.end()


if __name__ == "__main__":
    main()
