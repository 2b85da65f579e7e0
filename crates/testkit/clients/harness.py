"""Runs the gateway with two stand-in providers behind it, and the checks against them."""

import json
import subprocess
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

START_SECONDS = 20
OPENAI_KEY = "your-openai-key"
ANTHROPIC_KEY = "your-anthropic-key"


class Program:
    """A child process and the lines it printed."""

    def __init__(self, name, arguments):
        self.name = name
        self.lines = []
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def line_with(self, text):
        """The first line with `text`, waited for."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            found = next((line for line in list(self.lines) if text in line), None)
            if found is not None:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"{self.name} did not print {text!r}; it printed:\n" + "\n".join(self.lines))

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Reply:
    """An HTTP answer, whatever its status."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def http(method, url, body=None, headers=None):
    """Sends one request; `body` is text, bytes or something to write as JSON."""
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    data = body.encode() if isinstance(body, str) else body
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    if data is not None and not request.has_header("Content-type"):
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Reply(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as refused:
        return Reply(refused.code, refused.headers, refused.read())


class StandIn:
    """A provider on loopback, steered through its control port."""

    def __init__(self, program, dialect, key, name=None):
        self.name = name or dialect
        arguments = [program, "--dialect", dialect, "--control", "127.0.0.1:0", "--name", self.name]
        arguments += ["--key", key] if key else []
        self.program = Program(f"{self.name} stand-in", arguments)
        self.url = self.program.line_with("stand-in on").split()[-1]
        self.control = self.program.line_with("control on").split()[-1]

    def behave(self, **behaviour):
        """How it treats every request from now on; nothing is well."""
        assert http("PUT", f"{self.control}/behaviour", behaviour).status == 200

    def fail(self, kind, **details):
        self.behave(fault={"kind": kind, **details})

    def stop(self):
        assert http("POST", f"{self.control}/stop").status == 200

    def start(self):
        assert http("POST", f"{self.control}/start").status == 200

    def requests(self):
        return http("GET", f"{self.control}/requests").json()

    def count(self, kind):
        return http("GET", self.control).json()[kind]


class Gateway:
    """The gateway, and the programs that it is run with."""

    def __init__(self):
        self.programs = []
        self.folder = tempfile.TemporaryDirectory(prefix="gateway-clients-")

    def keep(self, stand_in):
        """Ends the stand-in together with the gateway."""
        self.programs.append(stand_in.program)
        return stand_in

    def start(self, gateway_server, places):
        """Starts the gateway with the providers at other places than their own."""
        elsewhere = [f"--provider-base-url={provider}={url}" for provider, url in places.items()]
        listen = ["--admin-listen", "127.0.0.1:0", "--proxy-listen", "127.0.0.1:0"]
        command = [gateway_server, *listen, "--data-dir", self.folder.name, *elsewhere]
        self.server = Program("gateway-server", command)
        self.programs.append(self.server)
        self.admin = self.server.line_with("Admin API").split()[-1]
        self.proxy = self.server.line_with("Proxy").split()[-1]
        for address in (self.admin, self.proxy):
            assert http("GET", f"{address}/readyz").status == 200, f"{address} is not ready"

    def api(self, method, path, body=None):
        return http(method, f"{self.admin}/api/v1{path}", body)

    def close(self):
        statuses = {program.name: program.stop() for program in reversed(self.programs)}
        self.folder.cleanup()
        return statuses


class World(Gateway):
    """The gateway of the guide, its two providers, and what it takes to talk to it."""

    def __init__(self, gateway_server, stand_in):
        super().__init__()
        try:
            self.openai = self.keep(StandIn(stand_in, "openai", OPENAI_KEY))
            self.anthropic = self.keep(StandIn(stand_in, "anthropic", ANTHROPIC_KEY))
            self.start(gateway_server, {"openai": self.openai.url, "anthropic": self.anthropic.url})
        except BaseException:
            self.close()
            raise
        self.key = None

    def recover(self):
        """Puts both providers right and lets each serve a request, so that no failure is left over."""
        for stand_in in (self.openai, self.anthropic):
            stand_in.behave()
            stand_in.start()
        # Whoever failed often enough to be taken out would rest for a minute.
        targets = "/gateways/default/upstreams/ai-providers-upstream/targets"
        for target in self.api("GET", targets).json()["items"]:
            for word in ("disable", "enable"):
                answer = self.api("POST", f"{targets}/{target['name']}/{word}")
                assert answer.status in (200, 204), answer.body
        for model, served_by in (("gpt-4o-mini", "openai"), ("claude-3-5-sonnet-20241022", "anthropic")):
            def is_back():
                return self.ask(model).headers.get("x-gateway-provider") == served_by

            wait_for(is_back, f"{served_by} to be back")
            # More successes than failures, so that the share of failures stays below the limit too.
            assert all(is_back() for _ in range(3)), f"{served_by} does not stay"

    def ask(self, model):
        body = {"messages": [{"role": "user", "content": "are you there?"}]}
        if model is not None:
            body["model"] = model
        return http("POST", f"{self.proxy}/v1/chat/completions", body, {"Authorization": f"Bearer {self.key}"})


def wait_for(holds, what, seconds=8):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"waited {seconds} s in vain for {what}"
        time.sleep(0.05)


CHECKS = []


def check(name):
    """Marks a function as a check; with `each`, as one check for each value."""

    def mark(function):
        CHECKS.append((name, function))
        return function

    return mark


def check_each(name, values):
    def mark(function):
        for value in values:
            CHECKS.append((f"{name}: {value}", lambda world, value=value: function(world, value)))
        return function

    return mark


def run_checks(world):
    """Runs all checks in the order of their definition and answers how many passed and failed."""
    passed = failed = 0
    for name, function in CHECKS:
        began = time.monotonic()
        try:
            function(world)
        except Exception as error:
            failed += 1
            print(f"FAIL  {name}: {type(error).__name__}: {error}", flush=True)
            for line in traceback.format_exc().splitlines()[-6:-1]:
                print(f"      {line}", flush=True)
        else:
            passed += 1
            print(f"ok    {name} ({(time.monotonic() - began) * 1000:.0f} ms)", flush=True)
    return passed, failed
