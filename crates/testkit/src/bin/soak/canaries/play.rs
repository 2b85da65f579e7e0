//! Everything that a gateway does with a secret: takes it, keeps it, shows that it has it, sends it,
//! refuses it, fails with it.

use std::path::Path;
use std::time::Duration;

use ai_gateway_testkit::{
    Answered, Behaviour, Client, Cut, Fault, Gateway, Provider, Served, StandIn,
};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::sinks::{ADMIN, METRICS, PROXY, Sinks};
use super::{Secrets, has_heard};

/// A gateway with its targets, and what it says.
pub(crate) struct Play<'a> {
    gateway: &'a Gateway,
    secrets: &'a Secrets,
    sinks: &'a mut Sinks,
    proxy: Client,
    /// Answers well.
    good: StandIn,
    /// Answers as it is told.
    bad: StandIn,
    /// The secret that the gateway gave to a client.
    pub(crate) client_key: String,
}

impl<'a> Play<'a> {
    /// Configures the gateway.
    pub(crate) async fn new(
        gateway: &'a Gateway,
        secrets: &'a Secrets,
        key_file: &Path,
        sinks: &'a mut Sinks,
    ) -> Result<Self> {
        let good = Provider::openai().name("good").start().await?;
        good.set_behaviour(saying(&secrets.answer));
        let bad = Provider::openai().name("bad").start().await?;
        bad.set_behaviour(Behaviour::status(500));
        for (name, upstream) in upstreams(secrets, key_file, &good.url(), &bad.url()) {
            gateway.route(name, &upstream).await?;
        }
        let rule = json!({ "name": "keyed", "path": "/keyed/*", "service": "checked", "strip_path": true });
        let made = gateway.admin.post(&of("rules"), &rule).await?;
        ensure!(made.status == 201, "no rule: {}", made.text());
        let made = gateway
            .admin
            .post(&of("keys"), &json!({ "name": "client" }))
            .await?;
        let made = made.json();
        let key = made.get("key").and_then(Value::as_str).context("no key")?;
        Ok(Self {
            gateway,
            secrets,
            sinks,
            proxy: Client::new(&format!("http://{}", gateway.proxy))?
                .header("cookie", &secrets.cookie)
                .header("x-custom", &secrets.cookie),
            good,
            bad,
            client_key: key.to_owned(),
        })
    }

    /// Does everything once.
    pub(crate) async fn everything(&mut self) -> Result<()> {
        self.served().await?;
        self.refused_by_the_gateway().await?;
        self.refused_by_a_target().await?;
        self.broken().await?;
        self.shown().await?;
        self.mistyped().await?;
        let metrics = self.gateway.admin.get("/metrics").await?;
        self.sinks.add(METRICS, "/metrics", metrics.body.to_vec());
        Ok(())
    }

    /// Whether every secret that was to reach a target did: else nothing was looked for.
    pub(crate) fn seen(&self) -> Result<()> {
        let Secrets {
            provider,
            environment,
            file,
            query,
            prompt,
            ..
        } = self.secrets;
        for secret in [provider, environment, file, query, prompt] {
            ensure!(has_heard(&self.good, secret), "no target was sent {secret}");
        }
        let Secrets {
            cookie, wrong_key, ..
        } = self.secrets;
        for secret in [cookie, wrong_key, &self.client_key] {
            let is_told = has_heard(&self.good, secret) || has_heard(&self.bad, secret);
            ensure!(!is_told, "a target was sent {secret}, a client's own");
        }
        Ok(())
    }

    async fn served(&mut self) -> Result<()> {
        for upstream in ["checked", "file", "query", "failover"] {
            for (path, body) in self.questions() {
                let path = format!("/{upstream}{path}");
                let answered = self.proxy.post(&path, &body).await?;
                self.note(&path, &answered);
                ensure!(answered.status == 200, "{path}: {}", answered.text());
            }
        }
        let keyed = self
            .proxy
            .clone()
            .header("authorization", &format!("Bearer {}", self.client_key));
        let answered = keyed
            .post("/keyed/v1/chat/completions", &self.chat())
            .await?;
        self.note("with a key", &answered);
        ensure!(answered.status == 200, "with a key: {}", answered.text());
        // Active checks come by themselves.
        let is_checked = |all: &[ai_gateway_testkit::Received]| {
            all.iter().any(|one| one.target.starts_with("/v1/models"))
        };
        let checked = self.good.wait_until(is_checked, Duration::from_secs(10));
        ensure!(checked.await, "no health check came");
        Ok(())
    }

    async fn refused_by_the_gateway(&mut self) -> Result<()> {
        let wrong = &self.secrets.wrong_key;
        let bearer = format!("Bearer {wrong}");
        let path = "/keyed/v1/chat/completions";
        for (name, value) in [
            ("authorization", bearer.as_str()),
            ("authorization", wrong),
            ("x-api-key", wrong),
            ("x-goog-api-key", wrong),
            ("api-key", wrong),
        ] {
            let client = self.proxy.clone().header(name, value);
            let answered = client.post(path, &self.chat()).await?;
            ensure!(answered.status == 401, "{name}: {}", answered.text());
            self.note(name, &answered);
        }
        for path in [
            format!("{path}?key={wrong}"),
            format!("/checked/v1beta/models/m:generateContent?key={wrong}"),
        ] {
            let answered = self.proxy.post(&path, &self.chat()).await?;
            let answered = without_echo(answered, &[wrong, &self.secrets.answer]);
            self.note("a key in the query", &answered);
        }
        let prompt = &self.secrets.prompt;
        for body in [
            format!(r#"{{"model": "m", "messages": ["{prompt}"#),
            format!(r#"{{"model": "m", "messages": "{prompt}"}}"#),
            format!(r#"{{"model": ["{prompt}"], "messages": []}}"#),
            format!(r#"{{"model": "m", "model": "{prompt}", "messages": []}}"#),
            format!(r#"{prompt} is no JSON"#),
        ] {
            for path in ["/checked/v1/chat/completions", "/checked/v1/messages"] {
                let answered = self
                    .proxy
                    .send(Method::POST, path, Bytes::from(body.clone()))
                    .await?;
                ensure!(answered.status != 200, "{body} was served");
                self.note("a body at fault", &answered);
            }
        }
        Ok(())
    }

    /// A target's refusal may quote the key that it was sent.
    async fn refused_by_a_target(&mut self) -> Result<()> {
        let key = &self.secrets.provider;
        let body = json!({ "error": {
            "message": format!("Incorrect API key provided: {key}."), "type": "invalid_request_error",
            "param": null, "code": "invalid_api_key",
        } });
        for status in [401, 403, 429, 500, 503] {
            for upstream in ["refused", "failover", "aws"] {
                self.bad.set_behaviour(Behaviour::failing(Fault::Status {
                    status,
                    headers: [("x-told".to_owned(), key.clone())].into(),
                    body: Some(body.to_string()),
                }));
                for (path, question) in self.questions() {
                    let answered = self
                        .proxy
                        .post(&format!("/{upstream}{path}"), &question)
                        .await?;
                    let answered = without_echo(answered, &[&self.secrets.answer]);
                    self.note(&format!("a target's {status}"), &answered);
                }
            }
        }
        Ok(())
    }

    /// Answers that break, and clients that leave.
    async fn broken(&mut self) -> Result<()> {
        let answer = self.secrets.answer.clone();
        for fault in [
            Fault::CutBeforeHead { how: Cut::Reset },
            Fault::CutAfterEvents {
                events: 3,
                how: Cut::Close,
            },
            Fault::MalformedEvent { after_events: 3 },
            Fault::TruncatedJson,
            Fault::Html,
            Fault::ErrorEvent {
                after_events: 0,
                error_type: "server_error".to_owned(),
                message: format!("no room for {}", self.secrets.provider),
            },
        ] {
            self.bad.set_behaviour(Behaviour {
                fault: Some(fault),
                ..saying(&answer)
            });
            for (path, question) in self.questions() {
                let opened = self
                    .proxy
                    .stream(&format!("/refused{path}"), &question)
                    .await;
                let mut answered = opened.context("no head of a broken answer")?;
                let mut said = format!("{:?}", answered.headers).into_bytes();
                while let Ok(Some(bytes)) = answered.chunk().await {
                    said.extend_from_slice(&bytes);
                }
                let said = String::from_utf8_lossy(&said).replace(&answer, "");
                self.sinks.add(PROXY, "a broken answer", said.into_bytes());
            }
        }
        self.good.set_behaviour(Behaviour {
            event_gap: Duration::from_millis(50),
            ..saying(&answer)
        });
        let stream = with(self.chat(), "stream", json!(true));
        let left = self
            .proxy
            .stream("/checked/v1/chat/completions", &stream)
            .await?;
        drop(left);
        let is_over = |all: &[ai_gateway_testkit::Received]| {
            all.iter().all(|one| one.served != Served::Running)
        };
        self.good.wait_until(is_over, Duration::from_secs(10)).await;
        Ok(())
    }

    /// Every answer of the Admin API that could show a secret.
    async fn shown(&mut self) -> Result<()> {
        for collection in ["upstreams", "services", "rules", "keys"] {
            let listed = self.admin(Method::GET, &of(collection), "").await?;
            let listed = listed.json();
            let items = listed.get("items").and_then(Value::as_array);
            for item in items.into_iter().flatten() {
                let name = item.get("name").and_then(Value::as_str);
                let path = format!("{}/{}", of(collection), name.unwrap_or_default());
                self.admin(Method::GET, &path, "").await?;
            }
        }
        for path in [
            "/api/v1/gateways",
            "/api/v1/gateways/default",
            "/readyz",
            "/livez",
        ] {
            self.admin(Method::GET, path, "").await?;
        }
        for upstream in ["checked", "failover", "refused"] {
            let path = format!("{}/{upstream}", of("upstreams"));
            self.admin(Method::GET, &format!("{path}/health"), "")
                .await?;
            self.admin(Method::GET, &format!("{path}/targets"), "")
                .await?;
            // As an operator changes one thing of what is shown.
            let shown = self.admin(Method::GET, &path, "").await?.json();
            let whole = with(shown, "description", json!("changed"));
            let put = self.admin(Method::PUT, &path, &whole.to_string()).await?;
            ensure!(put.status == 200, "not changed: {}", put.text());
        }
        let wrong = Client::new(&self.admin_url()?)?.header(
            "authorization",
            &format!("Bearer {}", self.secrets.wrong_token),
        );
        for path in ["/api/v1/gateways", "/metrics", &of("keys")] {
            let answered = wrong.get(path).await?;
            self.sinks.add(ADMIN, path, whole(&answered));
        }
        Ok(())
    }

    /// Documents with a secret beside, or in, what is wrong with them.
    async fn mistyped(&mut self) -> Result<()> {
        let key = self.secrets.mistyped.clone();
        let target = |more: Value| {
            let mut target = json!({ "name": "one", "base_url": "http://127.0.0.1:9" });
            if let (Some(target), Value::Object(more)) = (target.as_object_mut(), more) {
                target.extend(more);
            }
            json!({ "name": "mistyped", "targets": [target] }).to_string()
        };
        let header =
            |name: &str| json!({ "credentials": { "header_name": "authorization", name: key } });
        let documents = [
            target(header("header_valu")),
            target(json!({ "credentials": key })),
            target(json!({ "credentials": [key] })),
            target(json!({ "credentials": { "header_name": key, "header_value": [key] } })),
            target(
                json!({ "credentials": { "header_name": "a", "header_value": format!("{key}\n") } }),
            ),
            target(
                json!({ "credentials": { "param_name": "key", "param_value": key, "param_location": "nowhere" } }),
            ),
            target(json!({ "credentials": { "aws_secret_access_key": key } })),
            target(json!({ "headers": { "authorization": key } })),
            target(json!({ "headers": { "x-api-key": [key] } })),
            target(json!({ "base_url": format!("http://user:{key}@127.0.0.1:9") })),
            target(json!({ "base_url": format!("http://127.0.0.1:9/?key={key}") })),
            format!(
                r#"{{"name": "mistyped", "targets": [{{"credentials": {{"header_value": "{key}" "#
            ),
        ];
        for document in documents {
            for method in [Method::POST, Method::PATCH] {
                let path = if method == Method::POST {
                    of("upstreams")
                } else {
                    format!("{}/checked", of("upstreams"))
                };
                let answered = self.admin(method, &path, &document).await?;
                ensure!(answered.status >= 400, "{document} was taken");
            }
        }
        sleep(Duration::from_millis(100)).await;
        Ok(())
    }

    async fn admin(&mut self, method: Method, path: &str, body: &str) -> Result<Answered> {
        let place = format!("{method} {path}");
        let body = Bytes::from(body.to_owned());
        let answered = self.gateway.admin.send(method, path, body).await?;
        self.sinks.add(ADMIN, place, whole(&answered));
        Ok(answered)
    }

    fn admin_url(&self) -> Result<String> {
        let line = self.gateway.program.output();
        let line = line.lines().find(|line| line.contains("Admin API"));
        let url = line.and_then(|line| line.split_whitespace().last());
        Ok(url.context("no Admin API")?.to_owned())
    }

    /// Notes an answer of the proxy, but for what the target was to say to the client.
    fn note(&mut self, place: &str, answered: &Answered) {
        let mut said = whole(answered);
        if answered.status == 200 {
            let text = String::from_utf8_lossy(&said);
            let text = text.replace(&self.secrets.answer, "");
            said = text.into_bytes();
        }
        self.sinks.add(PROXY, place, said);
    }

    fn chat(&self) -> Value {
        json!({ "model": "m", "messages": [{ "role": "user", "content": self.secrets.prompt }] })
    }

    /// The question in three dialects, plain and streamed.
    fn questions(&self) -> Vec<(&'static str, Value)> {
        let prompt = &self.secrets.prompt;
        let anthropic = with(self.chat(), "max_tokens", json!(100));
        let plain = [
            ("/v1/chat/completions", self.chat()),
            ("/v1/messages", anthropic),
            ("/v1/responses", json!({ "model": "m", "input": prompt })),
        ];
        let streamed = plain
            .clone()
            .map(|(path, question)| (path, with(question, "stream", json!(true))));
        plain.into_iter().chain(streamed).collect()
    }
}

/// Upstreams whose targets have their credentials in every way.
fn upstreams(
    secrets: &Secrets,
    key_file: &Path,
    good: &str,
    bad: &str,
) -> Vec<(&'static str, Value)> {
    let header = |value: &str| json!({ "header_name": "authorization", "header_value": value });
    let target = |name: &str, url: &str, priority: u32, credentials: Value| json!({ "name": name, "base_url": url, "priority": priority, "credentials": credentials });
    let of = |targets: Vec<Value>| json!({ "targets": targets });
    let one = |url: &str, credentials: Value| of(vec![target("one", url, 1, credentials)]);
    let key = format!("Bearer {}", secrets.provider);
    let active = json!({ "path": "/v1/models", "timeout": 2, "healthy_threshold": 1 });
    let checks = json!({ "active": active, "interval": 0.5 });
    let patient = json!({ "passive": { "threshold": 1_000, "success_rate": false } });
    let failover = vec![
        target("nobody", "http://127.0.0.1:9", 1, header(&key)),
        target("bad", bad, 2, header(&key)),
        target("good", good, 3, header("${env:CANARY}")),
    ];
    let query = json!({
        "param_name": "key", "param_value": secrets.query, "param_location": "query",
    });
    let file = format!("${{file:{}}}", key_file.display());
    let aws = json!({
        "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": secrets.aws,
    });
    let bedrock = json!({
        "name": "aws", "provider": "bedrock", "region": "us-east-1", "base_url": bad,
        "credentials": aws,
    });
    vec![
        (
            "checked",
            with(one(good, header(&key)), "health_checks", checks),
        ),
        ("failover", with(of(failover), "health_checks", patient)),
        ("query", one(good, query)),
        ("file", one(good, header(&file))),
        ("aws", of(vec![bedrock])),
        ("refused", one(bad, header(&key))),
    ]
}

/// The object with one field more, or another one.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}

fn saying(answer: &str) -> Behaviour {
    Behaviour {
        say: Some(format!("I say {answer} and no more")),
        ..Behaviour::default()
    }
}

fn whole(answered: &Answered) -> Vec<u8> {
    let mut said = format!("{:?}\n", answered.headers).into_bytes();
    said.extend_from_slice(&answered.body);
    said
}

/// The answer without what the client itself has just said, or asked for.
fn without_echo(mut answered: Answered, own: &[&String]) -> Answered {
    let mut text = answered.text();
    for one in own {
        text = text.replace(*one, "");
    }
    answered.body = Bytes::from(text);
    answered
}

fn of(collection: &str) -> String {
    format!("/api/v1/gateways/default/{collection}")
}
