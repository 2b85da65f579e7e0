"""The OpenAI client, through either provider."""

import asyncio

import openai

from harness import check, check_each

TARGETS = {"gpt-4o-mini": "openai", "claude-3-5-sonnet-20241022": "anthropic"}


def client(world, **options):
    options.setdefault("api_key", world.key)
    return openai.OpenAI(base_url=f"{world.proxy}/v1", max_retries=0, timeout=20, **options)


def user(text):
    return [{"role": "user", "content": text}]


def said(target, model, question):
    return f"{target} stand-in here, serving {model}. You said: {question}"


@check_each("OpenAI client, settings that one provider lacks", TARGETS)
def _(world, model):
    answer = client(world).chat.completions.create(
        model=model, messages=user("hello"), temperature=1.5, presence_penalty=0.5, seed=7, stop=["###"], user="someone"
    )
    assert answer.choices[0].message.content.endswith("You said: hello")


@check_each("OpenAI client, many at once", TARGETS)
def _(world, model):
    async def run():
        async with openai.AsyncOpenAI(base_url=f"{world.proxy}/v1", api_key=world.key, max_retries=0, timeout=20) as many:

            async def ask(number):
                stream = await many.chat.completions.create(model=model, messages=user(f"number {number}"), stream=True)
                pieces = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
                return "".join(pieces)

            return await asyncio.gather(*(ask(number) for number in range(24)))

    texts = asyncio.run(run())
    assert all(text.endswith(f"You said: number {number}") for number, text in enumerate(texts)), texts


@check("OpenAI client, the models")
def _(world):
    models = {model.id for model in client(world).models.list()}
    wanted = {"gpt-3.5-turbo", "gpt-4", "gpt-4o-mini", "claude-3-5-sonnet-20241022"}
    assert wanted <= models, models


@check("OpenAI client, a wrong key")
def _(world):
    try:
        client(world, api_key="wrong").chat.completions.create(model="gpt-4", messages=user("hello"))
    except openai.AuthenticationError as error:
        assert error.status_code == 401 and error.code == "invalid_api_key", error
    else:
        raise AssertionError("a wrong key was let in")


@check_each("OpenAI client, a request that the provider refuses", TARGETS)
def _(world, model):
    try:
        client(world).chat.completions.create(model=model, messages=[{"role": "narrator", "content": "hm"}])
    except openai.BadRequestError as error:
        assert error.status_code == 400 and error.body["message"], error.body
    else:
        raise AssertionError("a wrong role was let through")
