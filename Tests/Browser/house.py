"""What the browser's checks and the figures share: a studio in scratch folders, made-up runs, raw requests."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def browser_path():
    """The browser of the system; None where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    return None


class House:
    """A studio that is started, killed and started again over the same folders."""

    def __init__(self, studio, tool, samples=True):
        self.studio, self.tool = str(studio), str(tool)
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="atelier-browser-"))
        self.root = self.scratch / "root"
        self.home = self.scratch / "home"
        self.root.mkdir()
        if samples:
            shutil.copytree(REPOSITORY / "Samples", self.root / "Samples")
        self.process = None
        self.port = None
        self.log = open(self.scratch / "studio.log", "ab")

    def start(self, *arguments):
        environment = dict(os.environ, ATELIER_CHECKPOINTS=str(REPOSITORY / "Checkpoints"))
        self.process = subprocess.Popen(
            [self.studio, "--atelier", self.tool, "--home", self.home, "--root", self.root,
             "--port", str(self.port or 0), *arguments],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        for line in self.process.stdout:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=([0-9a-f]{64})", line)
            if found:
                self.port, self.token = int(found[1]), found[2]
                self.address = f"http://127.0.0.1:{self.port}"
                return self
        raise SystemExit("the studio did not start: " + (self.scratch / "studio.log").read_text())

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait()

    def end(self):
        if self.process and self.process.poll() is None:
            self.kill(signal.SIGTERM)
        for job in self.home.glob("jobs/*/job.json"):
            record = json.loads(job.read_text())
            if record.get("state") in ("running", "stopping") and record.get("process"):
                try:
                    os.kill(record["process"], signal.SIGKILL)
                except ProcessLookupError:
                    pass
        time.sleep(0.2)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def call(self, *words):
        """Runs the tool itself."""
        subprocess.run([self.tool, *map(str, words)], check=True, capture_output=True)

    def memory(self):
        """The resident memory of the server in megabytes."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024

    def seconds(self):
        """The processor seconds that the server took."""
        words = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def cookie(self):
        head, _ = self.raw(f"GET /?token={self.token} HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return re.search(rb"[Ss]et-[Cc]ookie: ([^;]+)", head)[1].decode()

    def raw(self, text, wait=5, end=True):
        """Sends bytes as they are; gives back the head and what follows."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as line:
            line.sendall(text if isinstance(text, bytes) else text.encode())
            data = b""
            try:
                while b"\r\n\r\n" not in data:
                    part = line.recv(65536)
                    if not part:
                        break
                    data += part
            except OSError:
                pass
            head, _, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"[Cc]ontent-[Ll]ength: (\d+)", head)
            while end and length and len(body) < int(length[1]):
                part = line.recv(65536)
                if not part:
                    break
                body += part
            return head, body

    def get(self, path, **fields):
        """The status and the body of a request with the cookie."""
        fields = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie(), **fields}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        head, body = self.raw(f"GET {path} HTTP/1.1\r\n{lines}\r\n")
        return int(head.split()[1]), body

    def json(self, path):
        return json.loads(self.get(path)[1])

    def make_run(self, name, steps=20, every=10, previews=0, reason="finished", job="denoise train"):
        """A run folder as a training leaves it."""
        run = self.root / "runs" / name
        run.mkdir(parents=True)
        (run / "about.json").write_text(json.dumps(
            {"arguments": {"network": ["unet"], "noise": ["gaussian:0-50"], "seed": [name]},
             "job": job, "version": "0.1.0"}))
        (run / "run.lock").write_text("1\n")
        lines = [{"event": "started", "seconds": 0, "step": 0, "totalSteps": steps * every}]
        for index in range(1, steps + 1):
            loss = 1 / (1 + index * 0.02) + 0.02 * ((index * 7919) % 13) / 13
            lines.append({"event": "step", "gradientNorm": 1.0 / index, "imagesPerSecond": 300.0,
                          "learningRate": 0.001, "loss": loss, "remainingSeconds": 0.1,
                          "seconds": index * 0.5, "smoothedLoss": loss, "step": index * every})
        lines += [{"event": "validated", "metrics": {"psnr": 20 + steps / 1000}, "seconds": 1,
                   "step": steps * every},
                  {"event": "improved", "metric": "psnr", "step": steps * every,
                   "value": 20 + steps / 1000}]
        if reason:
            lines.append({"event": "stopped", "reason": reason, "seconds": steps * 0.5,
                          "step": steps * every})
        with open(run / "events.jsonl", "w") as log:
            log.writelines(json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n"
                           for line in lines)
        (run / "configuration.json").write_text(json.dumps({"batch": 4, "seed": name}))
        return run
