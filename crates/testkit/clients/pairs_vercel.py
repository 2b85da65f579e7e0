"""Vercel's AI SDK with its OpenAI, Anthropic and Google providers against every target."""

import json
import pathlib
import subprocess
import threading

from pairs import LIMIT, LONG_QUESTION, PIXEL_URL, SAMPLE, SCHEMA, client, failing

SCRIPT = pathlib.Path(__file__).with_name("vercel") / "client.mjs"
ANSWER_SECONDS = 30


class Node:
    """The process that asks through the SDK; started when it is first needed."""

    packages = None  # The folder with the installed packages.
    process = None

    @classmethod
    def ask(cls, world, **request):
        if cls.process is None:
            command = ["node", str(SCRIPT), str(cls.packages)]
            cls.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        request["at"] = {"proxy": world.proxy, "key": world.key}
        print(json.dumps(request), file=cls.process.stdin, flush=True)
        # One that does not answer is ended, so that reading its answer ends too.
        watch = threading.Timer(ANSWER_SECONDS, cls.process.kill)
        watch.start()
        line = cls.process.stdout.readline()
        watch.cancel()
        if not line:
            cls.stop()
            raise AssertionError(f"no answer within {ANSWER_SECONDS} s")
        return json.loads(line)

    @classmethod
    def stop(cls):
        if cls.process is not None:
            cls.process.stdin.close()
            cls.process.kill()
            cls.process.wait()
            cls.process = None


def checks_of(name, kind):
    check = client(name)

    def ask(world, target, **request):
        made = Node.ask(world, client=kind, model=target.model, **request)
        assert "thrown" not in made, made
        return made

    @check("plain")
    def _(world, target):
        made = ask(world, target, kind="text", prompt="hello there")
        assert made["text"] == target.said("hello there") and made["finish"] == "stop", made
        assert made["usage"] == {"input": 2, "output": len(made["text"].split())}, made

    @check("streamed")
    def _(world, target):
        made = ask(world, target, kind="stream", prompt="hello there")
        assert made["text"] == target.said("hello there") and made["finish"] == "stop", made
        assert made["pieces"] > 3 and made["usage"]["output"] == len(made["text"].split()), made

    @check("instructions and history")
    def _(world, target):
        said = [("user", "one"), ("assistant", "two"), ("user", "three")]
        messages = [{"role": role, "content": text} for role, text in said]
        made = ask(world, target, kind="text", system="be brief", messages=messages)
        assert made["text"].endswith("You said: three") and made["usage"]["input"] == 5, made

    @check("a limit on the answer")
    def _(world, target):
        for how in ("text", "stream"):
            made = ask(world, target, kind=how, prompt=LONG_QUESTION, limit=LIMIT)
            assert made["finish"] == "length", made

    @check("parallel tools and their results")
    def _(world, target):
        results = {"get_weather": "12 degrees", "get_time": "noon"}
        wanted = [{"name": name, "input": SAMPLE} for name in results]
        request = {"prompt": "call get_weather and get_time", "tools": list(results), "results": results}
        made = ask(world, target, kind="text", schema=SCHEMA, **request)
        assert made["called"] == wanted, made
        assert made["text"].endswith("The tool said: 12 degrees The tool said: noon"), made

    @check("parallel tools, streamed")
    def _(world, target):
        results = {"get_weather": "12 degrees", "get_time": "noon"}
        request = {"prompt": "call get_weather and get_time", "tools": list(results), "results": results}
        made = ask(world, target, kind="stream", schema=SCHEMA, **request)
        assert [call["name"] for call in made["called"]] == list(results), made
        assert made["text"].endswith("The tool said: 12 degrees The tool said: noon"), made

    @check("tool choice")
    def _(world, target):
        def choose(choice):
            request = {"prompt": "first or second", "tools": ["first", "second"], "schema": SCHEMA}
            return [call["name"] for call in ask(world, target, kind="text", choice=choice, **request)["calls"]]

        assert choose({"type": "tool", "toolName": "second"}) == ["second"]
        assert choose("required") == ["first", "second"]
        assert choose("none") == []

    @check("an image")
    def _(world, target):
        parts = [{"type": "text", "text": "what is it?"}, {"type": "image", "image": PIXEL_URL}]
        made = ask(world, target, kind="text", messages=[{"role": "user", "content": parts}])
        assert "I see 1 image. You said: what is it?" in made["text"], made

    @check("structured output")
    def _(world, target):
        assert ask(world, target, kind="object", prompt="where?", schema=SCHEMA)["object"] == SAMPLE

    @check("refusals in its own words")
    def _(world, target):
        for status in (400, 429):
            with failing(world, target, "status", status=status):
                for how in ("text", "stream"):
                    made = Node.ask(world, client=kind, model=target.model, kind=how, prompt="hello")
                    assert made.get("status") == status or made.get("errors"), made

    @check("an error in the middle of a stream")
    def _(world, target):
        with failing(world, target, "error_event", after_events=8, error_type="overloaded_error", message="sorry"):
            made = Node.ask(world, client=kind, model=target.model, kind="stream", prompt=LONG_QUESTION)
            assert made.get("errors") or made.get("thrown") or made.get("finish") in ("error", "other"), made


checks_of("Vercel AI SDK, OpenAI, chat completions", "chat")
checks_of("Vercel AI SDK, OpenAI, responses", "responses")
checks_of("Vercel AI SDK, Anthropic", "anthropic")
checks_of("Vercel AI SDK, Google", "google")
