"""What an application sees of a provider that fails: as little as possible."""

import time

import anthropic
import openai

import anthropic_checks
import openai_checks
from harness import check, check_each, wait_for
from openai_checks import user

GPT, CLAUDE = "gpt-4o-mini", "claude-3-5-sonnet-20241022"

# What the first provider does wrong before it has said anything: the second one takes over.
TAKEN_OVER = {
    "503": {"kind": "status", "status": 503},
    "500": {"kind": "status", "status": 500},
    "529": {"kind": "status", "status": 529},
    "a refused key": {"kind": "status", "status": 401},
    "a page for people": {"kind": "html"},
    "half a JSON": {"kind": "truncated_json"},
    "a cut before the head": {"kind": "cut_before_head", "how": "reset"},
    "a cut within the body": {"kind": "cut_after_bytes", "bytes": 40, "how": "close"},
}
TAKEN_OVER_STREAMED = {
    "503": {"kind": "status", "status": 503},
    "an error as the first event": {
        "kind": "error_event",
        "after_events": 0,
        "error_type": "overloaded_error",
        "message": "Overloaded",
    },
    "a malformed first event": {"kind": "malformed_event", "after_events": 0},
    "a cut before the head": {"kind": "cut_before_head", "how": "close"},
    "a cut before the first event": {"kind": "cut_after_events", "events": 0, "how": "reset"},
    "a page for people": {"kind": "html"},
}


@check_each("taken over before the first byte", TAKEN_OVER)
def _(world, name):
    world.openai.behave(fault=TAKEN_OVER[name])
    try:
        raw = openai_checks.client(world).chat.completions.with_raw_response.create(model=GPT, messages=user("hello"))
        answer = raw.parse()
        assert answer.choices[0].message.content == openai_checks.said("anthropic", CLAUDE, "hello"), answer
        assert raw.headers["x-gateway-provider"] == "anthropic" and int(raw.headers["x-gateway-attempts"]) >= 2
        substituted = raw.headers["x-gateway-model-substituted"]
        assert GPT in substituted and CLAUDE in substituted, substituted
    finally:
        world.recover()


@check_each("a stream taken over before the first token", TAKEN_OVER_STREAMED)
def _(world, name):
    world.openai.behave(fault=TAKEN_OVER_STREAMED[name])
    try:
        stream = openai_checks.client(world).chat.completions.create(model=GPT, messages=user("hello"), stream=True)
        text = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
        assert text == openai_checks.said("anthropic", CLAUDE, "hello"), text
    finally:
        world.recover()


@check("a provider that is down, for the Anthropic client")
def _(world):
    world.anthropic.stop()
    try:
        with anthropic_checks.client(world).messages.stream(model=CLAUDE, max_tokens=99, messages=user("hello")) as stream:
            text = "".join(stream.text_stream)
        assert text == anthropic_checks.said("openai", GPT, "hello"), text
    finally:
        world.recover()


@check("a provider that is down, for the OpenAI client")
def _(world):
    world.openai.stop()
    try:
        began = time.monotonic()
        answer = openai_checks.client(world).chat.completions.create(model=GPT, messages=user("hello"))
        assert answer.choices[0].message.content == openai_checks.said("anthropic", CLAUDE, "hello"), answer
        assert time.monotonic() - began < 2, "the takeover took too long"
    finally:
        world.recover()


@check("a provider that asks to slow down is left alone as long as it says")
def _(world):
    world.openai.behave(fault={"kind": "status", "status": 429, "headers": {"retry-after": "2"}})
    try:
        assert world.ask(GPT).headers["x-gateway-provider"] == "anthropic"
        asked, since = world.openai.count("requests"), time.monotonic()
        world.openai.behave()
        assert world.ask(GPT).headers["x-gateway-provider"] == "anthropic"
        if time.monotonic() - since < 1.5:
            assert world.openai.count("requests") == asked, "it was asked before its time"
        wait_for(lambda: world.ask(GPT).headers["x-gateway-provider"] == "openai", "the provider to be back")
    finally:
        world.recover()


@check("a request at fault is not tried elsewhere, and nobody is blamed")
def _(world):
    before = world.anthropic.count("requests")
    for _ in range(5):
        try:
            openai_checks.client(world).chat.completions.create(model=GPT, messages=[{"role": "narrator", "content": "x"}])
        except openai.BadRequestError:
            pass
        else:
            raise AssertionError("a wrong role was let through")
    assert world.anthropic.count("requests") == before, "it was tried elsewhere"
    assert world.ask(GPT).headers["x-gateway-provider"] == "openai"


# Between events, so that a stream breaks when a part of it is on its way: milliseconds.
EVENT_GAP = 10
BROKEN_OFF = {
    "a cut": {"kind": "cut_after_events", "events": 4, "how": "close"},
    "a reset": {"kind": "cut_after_events", "events": 4, "how": "reset"},
    "an error event": {"kind": "error_event", "after_events": 4, "error_type": "server_error", "message": "sorry"},
    "a malformed event": {"kind": "malformed_event", "after_events": 4},
}


@check_each("a stream that breaks off never looks complete, OpenAI client", BROKEN_OFF)
def _(world, name):
    for model, stand_in in ((GPT, world.openai), (CLAUDE, world.anthropic)):
        stand_in.behave(event_gap=EVENT_GAP, fault=BROKEN_OFF[name])
        try:
            text, reasons = "", []
            stream = openai_checks.client(world).chat.completions.create(model=model, messages=user("hello"), stream=True)
            try:
                for chunk in stream:
                    for choice in chunk.choices:
                        text += choice.delta.content or ""
                        reasons += [choice.finish_reason] if choice.finish_reason else []
            except openai.APIError:
                pass
            else:
                raise AssertionError(f"the broken stream of {model} ended well: {text!r}")
            assert not reasons, reasons
        finally:
            world.recover()


@check_each("a stream that breaks off never looks complete, Anthropic client", BROKEN_OFF)
def _(world, name):
    for model, stand_in in ((CLAUDE, world.anthropic), (GPT, world.openai)):
        stand_in.behave(event_gap=EVENT_GAP, fault=BROKEN_OFF[name])
        try:
            events = anthropic_checks.client(world).messages.create(
                model=model, max_tokens=99, messages=user("hello"), stream=True
            )
            kinds = []
            try:
                kinds += [event.type for event in events]
            except (anthropic.APIError, anthropic.APIStatusError):
                pass
            else:
                raise AssertionError(f"the broken stream of {model} ended well: {kinds}")
        finally:
            world.recover()


@check("a stream without its last event is completed")
def _(world):
    world.openai.behave(fault={"kind": "missing_end"})
    try:
        stream = openai_checks.client(world).chat.completions.create(model=GPT, messages=user("hello"), stream=True)
        text = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
        assert text == openai_checks.said("openai", GPT, "hello"), text
    finally:
        world.recover()


@check_each("a stream that arrives byte by byte reads the same", (GPT, CLAUDE))
def _(world, model):
    world.openai.behave(fault={"kind": "drip", "gap": 0})
    world.anthropic.behave(fault={"kind": "drip", "gap": 0})
    try:
        stream = openai_checks.client(world).chat.completions.create(model=model, messages=user("hello"), stream=True)
        text = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
        assert text == openai_checks.said(openai_checks.TARGETS[model], model, "hello"), text
    finally:
        world.recover()


@check_each("a client that leaves cancels the provider's request", (GPT, CLAUDE))
def _(world, model):
    stand_in = world.openai if model == GPT else world.anthropic
    before = stand_in.count("cancelled")
    stand_in.behave(fault={"kind": "hang_after_events", "events": 4})
    try:
        stream = openai_checks.client(world).chat.completions.create(model=model, messages=user("hello"), stream=True)
        next(iter(stream))
        stream.close()
        wait_for(lambda: stand_in.count("cancelled") == before + 1, "the provider's request to be cancelled", 3)
    finally:
        world.recover()


@check("every provider down: an error in the caller's dialect, and back as soon as they are")
def _(world):
    world.openai.stop()
    world.anthropic.stop()
    try:
        try:
            openai_checks.client(world).chat.completions.create(model=GPT, messages=user("hello"))
        except openai.InternalServerError as error:
            assert error.status_code in (502, 503), error.status_code
            assert error.code in ("upstream_failed", "no_target_available"), error.code
        else:
            raise AssertionError("an answer came from nowhere")
        try:
            anthropic_checks.client(world).messages.create(model=CLAUDE, max_tokens=9, messages=user("hello"))
        except anthropic.APIStatusError as error:
            assert error.status_code in (502, 503) and error.body["type"] == "error", error.body
        else:
            raise AssertionError("an answer came from nowhere")
    finally:
        world.recover()
