"""Every client against every kind of target: the checks that make the matrix of the documentation.

A check is a client, a feature and a target. What a target cannot do is left out with a reason, not
passed over in silence.
"""

import time
import traceback

from harness import Gateway, StandIn

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PIXEL_URL = f"data:image/png;base64,{PIXEL}"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
SAMPLE = {"city": "sample", "days": 1}
LIMIT = 16  # The least that every dialect takes.
LONG_QUESTION = "one two three four five six seven eight nine ten eleven twelve thirteen"
CACHED = "cached instructions of five words"
CACHED_TOKENS = 5
EVENT_GAP = 10  # Milliseconds.


class Target:
    """A kind of target, and the stand-in that plays it."""

    def __init__(self, name, dialect, model, thinker, shows_thoughts, **written):
        self.name, self.dialect, self.model, self.thinker = name, dialect, model, thinker
        self.shows_thoughts, self.written = shows_thoughts, written
        # Whether usage tells thoughts apart, and whether one call at a time can be asked for.
        self.counts_thoughts = dialect not in ("anthropic", "vertex-anthropic", "bedrock", "cohere")
        self.bounds_calls = dialect not in ("gemini", "vertex", "bedrock", "cohere")
        # Whether thoughts are shown to who asks for them in so many words.
        self.tells_thoughts = shows_thoughts or dialect == "responses"
        self.stand_in = None

    def said(self, question, model=None):
        return f"{self.name} stand-in here, serving {model or self.model}. You said: {question}"

    def thought(self, question):
        return f"{self.name} thinks about: {question}"

    def key(self):
        """The only key that the stand-in lets in; none where the target has no credential."""
        credentials = self.written.get("credentials")
        if not credentials:
            return None
        if "aws_access_key_id" in credentials:
            return f"{credentials['aws_access_key_id']}:{credentials['aws_secret_access_key']}"
        return credentials["header_value"].removeprefix("Bearer ")

    def document(self):
        models = [self.model, self.thinker]
        elsewhere = {} if "provider" in self.written else {"base_url": self.stand_in.url}
        return {**self.written, **elsewhere, "name": self.name, "models": models}


def header(name, value):
    return {"header_name": name, "header_value": value}


TARGETS = [
    Target("openai", "openai", "gpt-4o-mini", "o4-mini", False, provider="openai", path="/v1/chat/completions"),
    # What speaks OpenAI's dialect as it was before the newer models.
    Target(
        "compatible",
        "openai",
        "llama-3.3-70b",
        "deepseek-reasoner",
        True,
        provider="openai-compatible",
        path="/v1/chat/completions",
    ),
    Target("responses", "responses", "gpt-4o", "o3-mini", False, path="/v1/responses"),
    Target("anthropic", "anthropic", "claude-haiku-4-5", "claude-sonnet-4-5", True, provider="anthropic", path="/v1/messages"),
    Target("gemini", "gemini", "gemini-2.0-flash", "gemini-2.5-flash", True, provider="gemini"),
    Target(
        "vertex",
        "vertex",
        "gemini-2.0-flash-001",
        "gemini-2.5-pro",
        True,
        provider="vertex",
        region="europe-west4",
        project="clients",
        credentials=header("Authorization", "Bearer vertex-token"),
    ),
    Target(
        "vertex-anthropic",
        "vertex-anthropic",
        "claude-haiku-4-5@20251001",
        "claude-sonnet-4-5@20250929",
        True,
        provider="vertex-anthropic",
        region="global",
        project="clients",
        credentials=header("Authorization", "Bearer vertex-token"),
    ),
    Target(
        "azure",
        "azure",
        "gpt-4.1-mini",
        "o3",
        False,
        provider="azure",
        base_url="https://clients.openai.azure.com",
        api_version="2024-10-21",
        credentials=header("api-key", "azure-key"),
    ),
    Target(
        "bedrock",
        "bedrock",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        True,
        provider="bedrock",
        region="us-east-1",
        credentials={"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "bedrock-secret"},
    ),
    Target(
        "cohere",
        "cohere",
        "command-a-03-2025",
        "command-a-reasoning-08-2025",
        True,
        provider="cohere",
        credentials=header("Authorization", "Bearer cohere-key"),
    ),
]
FEATURES, CHECKS = [], []


def client(name):
    """Names the client that the checks marked with what is answered belong to."""
    def feature(title, unless=None):
        """Marks a function as a check of every target; `unless` says why one is left out."""
        if title not in FEATURES:
            FEATURES.append(title)

        def mark(function):
            for target in TARGETS:
                why = (unless or {}).get(target.name)
                CHECKS.append((name, title, target, function, why))
            return function

        return mark

    return feature


class World:
    """A gateway with one upstream that has a target of every kind."""

    def __init__(self, gateway_server, stand_in):
        self.gateway = Gateway()
        try:
            places = {}
            for target in TARGETS:
                target.stand_in = self.gateway.keep(StandIn(stand_in, target.dialect, target.key(), name=target.name))
                if "provider" in target.written:
                    places[target.written["provider"]] = target.stand_in.url
            self.gateway.start(gateway_server, places)
            self.proxy, self.api = self.gateway.proxy, self.gateway.api
            self.configure()
        except BaseException:
            self.close()
            raise

    def configure(self):
        gateway = "/gateways/default"
        self.upstream = f"{gateway}/upstreams/pairs"
        upstream = {
            "name": "pairs",
            "model_fallback": "reject",
            "targets": [target.document() for target in TARGETS],
            "retry": {"attempts": 1},
        }
        made = self.api("POST", f"{gateway}/upstreams", upstream)
        assert made.status == 201, made.body
        made = self.api("POST", f"{gateway}/keys", {"name": "clients"})
        assert made.status == 201, made.body
        self.key = made.json()["key"]

    def close(self):
        return self.gateway.close()

    def recover(self, target):
        """Puts a target right that was made to fail, and forgets that it did."""
        target.stand_in.behave()
        enabled = self.api("POST", f"{self.upstream}/targets/{target.name}/enable")
        assert enabled.status in (200, 204), enabled.body


class failing:
    """Makes a target fail as long as the block lasts."""

    def __init__(self, world, target, kind, **details):
        self.world, self.target, self.fault = world, target, {"kind": kind, **details}

    def __enter__(self):
        # Events apart, so that an error among them comes when a good part of them is on its way.
        gap = {"event_gap": EVENT_GAP} if self.fault["kind"] == "error_event" else {}
        self.target.stand_in.behave(fault=self.fault, **gap)

    def __exit__(self, *_):
        self.world.recover(self.target)


def run(world, only=None, without=None):
    """Runs every check but those of clients whose name begins with `without`, and
    answers the results by client, feature and target: `ok`, `no` or the reason for which one is left
    out."""
    results = {}
    chosen = [check for check in CHECKS if not (without and check[0].startswith(without))]
    if only:
        chosen = [check for check in chosen if only in f"{check[0]}, {check[1]}: {check[2].name}"]
    for number, (name, title, target, function, why) in enumerate(chosen, 1):
        label = f"[{number}/{len(chosen)}]"
        if why:
            results[name, title, target.name] = why
            print(f"{label} skip  {name}, {title}: {target.name} ({why})", flush=True)
            continue
        began = time.monotonic()
        try:
            function(world, target)
        except Exception as error:
            results[name, title, target.name] = "no"
            print(f"{label} FAIL  {name}, {title}: {target.name}: {type(error).__name__}: {error}", flush=True)
            for line in traceback.format_exc().splitlines()[-8:-1]:
                print(f"      {line}", flush=True)
        else:
            results[name, title, target.name] = "ok"
            took = (time.monotonic() - began) * 1000
            print(f"{label} ok    {name}, {title}: {target.name} ({took:.0f} ms)", flush=True)
    return results

