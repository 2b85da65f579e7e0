"""The Anthropic client, through either provider."""

import anthropic

from harness import check, check_each

TARGETS = {"claude-3-5-sonnet-20241022": "anthropic", "gpt-4o-mini": "openai"}


def client(world, **options):
    options.setdefault("api_key", world.key)
    return anthropic.Anthropic(base_url=world.proxy, max_retries=0, timeout=20, **options)


def user(content):
    return [{"role": "user", "content": content}]


def said(target, model, question):
    return f"{target} stand-in here, serving {model}. You said: {question}"


@check_each("Anthropic client, settings that one provider lacks", TARGETS)
def _(world, model):
    answer = client(world).messages.create(
        model=model,
        max_tokens=99,
        messages=user("hello"),
        stop_sequences=["###"],
        metadata={"user_id": "someone"},
        # What this client has no parameter for, and applications still send.
        extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 5},
    )
    assert answer.content[0].text.endswith("You said: hello")


@check("Anthropic client, the models")
def _(world):
    models = {model.id for model in client(world).models.list()}
    assert {"gpt-4o-mini", "claude-3-5-sonnet-20241022"} <= models, models


@check("Anthropic client, a wrong key")
def _(world):
    try:
        client(world, api_key="wrong").messages.create(model="gpt-4", max_tokens=9, messages=user("hello"))
    except anthropic.AuthenticationError as error:
        assert error.status_code == 401 and error.body["error"]["type"] == "authentication_error", error.body
    else:
        raise AssertionError("a wrong key was let in")


@check_each("Anthropic client, a request that the provider refuses", TARGETS)
def _(world, model):
    try:
        client(world).messages.create(model=model, max_tokens=9, messages=user([{"type": "hologram"}]))
    except anthropic.BadRequestError as error:
        assert error.body["type"] == "error" and error.body["error"]["message"], error.body
    else:
        raise AssertionError("a wrong block was let through")
