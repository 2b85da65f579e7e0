"""The guide's upstream, posted as it is printed, and a way to it."""

import json
import pathlib

from harness import ANTHROPIC_KEY, OPENAI_KEY, check, http

UPSTREAM = pathlib.Path(__file__).with_name("upstream.json").read_text()


def gateway_path(world):
    if not hasattr(world, "gateway"):
        gateways = world.api("GET", "/gateways").json()["items"]
        assert gateways, "a new gateway-server has no gateway"
        world.gateway = f"/gateways/{gateways[0]['id']}"
    return world.gateway


@check("the guide's upstream is accepted as it is printed")
def _(world):
    made = world.api("POST", f"{gateway_path(world)}/upstreams", UPSTREAM)
    assert made.status == 201, made.body
    assert made.headers["Location"], "no Location"
    world.upstream = f"{gateway_path(world)}/upstreams/{made.json()['id']}"


@check("the documented GET shows the upstream, and no credential")
def _(world):
    shown = world.api("GET", world.upstream)
    assert shown.status == 200, shown.body
    written, read = json.loads(UPSTREAM), shown.json()
    assert read["name"] == written["name"] and read["algorithm"] == written["algorithm"]
    assert [target["provider"] for target in read["targets"]] == ["openai", "anthropic"]
    assert [target["models"] for target in read["targets"]] == [target["models"] for target in written["targets"]]
    for secret in (OPENAI_KEY, ANTHROPIC_KEY):
        assert secret not in shown.body.decode(), "a credential was returned"


@check("a service, a rule and a key lead to it")
def _(world):
    gateway = gateway_path(world)
    service = {"name": "chat", "type": "upstream", "upstream": "ai-providers-upstream"}
    made = world.api("POST", f"{gateway}/services", service)
    assert made.status == 201, made.body
    made = world.api("POST", f"{gateway}/rules", {"name": "ai", "path": "/v1/*", "service": "chat"})
    assert made.status == 201, made.body
    made = world.api("POST", f"{gateway}/keys", {"name": "clients"})
    assert made.status == 201, made.body
    world.key = made.json()["key"]
    shown = world.api("GET", f"{gateway}/keys/clients")
    assert world.key not in shown.body.decode(), "the key was returned a second time"


@check("requests that name no model are split equally")
def _(world):
    served = [world.ask(None).headers["x-gateway-provider"] for _ in range(20)]
    assert served.count("openai") == 10 and served.count("anthropic") == 10, served


@check("every answer says who gave it")
def _(world):
    answer = world.ask("gpt-4o-mini")
    assert answer.status == 200, answer.body
    for name, expected in (
        ("x-gateway-provider", "openai"),
        ("x-selected-provider", "openai"),
        ("x-gateway-model", "gpt-4o-mini"),
        ("x-gateway-attempts", "1"),
    ):
        assert answer.headers[name] == expected, (name, answer.headers[name])
    assert answer.headers["x-gateway-target"] and answer.headers["x-request-id"]
    assert answer.headers["x-gateway-model-substituted"] is None


@check("a model that nobody lists is served by a default model, and the answer says so")
def _(world):
    answer = world.ask("a-model-of-tomorrow")
    assert answer.status == 200, answer.body
    substituted = answer.headers["x-gateway-model-substituted"]
    assert substituted and "a-model-of-tomorrow" in substituted, substituted


@check("the caller's key does not travel on, the provider's does")
def _(world):
    world.ask("gpt-4o-mini")
    world.ask("claude-3-5-sonnet-20241022")
    to_openai, to_anthropic = world.openai.requests()[-1], world.anthropic.requests()[-1]
    assert to_openai["headers"]["authorization"] == f"Bearer {OPENAI_KEY}"
    assert to_anthropic["headers"]["x-api-key"] == ANTHROPIC_KEY
    assert to_anthropic["headers"]["anthropic-version"] == "2023-06-01"
    assert "authorization" not in to_anthropic["headers"]
    for request in (to_openai, to_anthropic):
        assert world.key not in request["head"], "the caller's key was passed on"


@check("a request in the target's own dialect arrives byte for byte")
def _(world):
    body = '{ "model":"gpt-4o-mini",\n "messages" : [{"role":"user","content":"caf\\u00e9 \\ud83d\\ude00"}], "seed":7 }'
    answer = http("POST", f"{world.proxy}/v1/chat/completions", body, {"Authorization": f"Bearer {world.key}"})
    assert answer.status == 200, answer.body
    assert world.openai.requests()[-1]["body"] == json.loads(body)


@check("errors of the gateway are in the caller's dialect")
def _(world):
    chat, messages = f"{world.proxy}/v1/chat/completions", f"{world.proxy}/v1/messages"
    key = {"Authorization": f"Bearer {world.key}"}
    for url, headers, body, status, code in (
        (chat, {}, "{}", 401, "invalid_api_key"),
        (chat, {"Authorization": "Bearer wrong"}, "{}", 401, "invalid_api_key"),
        (chat, key, "{", 400, "invalid_json"),
    ):
        answer = http("POST", url, body, headers)
        assert answer.status == status, (answer.status, answer.body)
        assert answer.json()["error"]["code"] == code, answer.body
        assert answer.json()["error"]["message"] and "type" in answer.json()["error"]
    for headers, body, status, kind in (
        ({"x-api-key": "wrong"}, "{}", 401, "authentication_error"),
        ({"x-api-key": world.key}, "{", 400, "invalid_request_error"),
    ):
        answer = http("POST", messages, body, headers)
        assert answer.status == status, (answer.status, answer.body)
        assert answer.json()["type"] == "error" and answer.json()["error"]["type"] == kind, answer.body
    nowhere = http("POST", f"{world.proxy}/nowhere", "{}", key)
    assert nowhere.status == 404 and nowhere.json()["error"]["code"] == "route_not_found", nowhere.body
