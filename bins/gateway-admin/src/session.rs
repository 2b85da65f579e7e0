//! One run of the program: the client, the gateway it works in, and where things are.

use http::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    client::{Answer, Call, Client},
    connection::Connection,
    failure::Failure,
    noun::Noun,
    output::Format,
};
use ai_gateway_model::Kind;

/// One run of the program.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) format: Format,
    gateway: OnceCell<String>,
}

impl Session {
    /// Makes a session of what the command line says; connects to nothing yet.
    pub(crate) fn new(connection: &Connection) -> Result<Self, Failure> {
        Ok(Self {
            client: Client::new(connection)?,
            format: connection.output,
            gateway: connection
                .gateway
                .clone()
                .map_or_else(OnceCell::new, OnceCell::from),
        })
    }

    /// Returns the gateway that the command line names, or the only one there is.
    pub(crate) async fn gateway(&self) -> Result<&str, Failure> {
        let found = self.gateway.get_or_try_init(|| self.only_gateway()).await?;
        Ok(found)
    }

    async fn only_gateway(&self) -> Result<String, Failure> {
        let gateways = self.list(&["gateways"]).await?;
        let names: Vec<&str> = gateways.iter().filter_map(|it| text(it, "name")).collect();
        let message = match names.as_slice() {
            [only] => return Ok((*only).to_owned()),
            [] => "there is no gateway yet: gateway-admin create gateway NAME".to_owned(),
            several => format!(
                "there are {} gateways: choose one with --gateway or AIGW_GATEWAY ({})",
                several.len(),
                several.join(", ")
            ),
        };
        Err(Failure::Usage { message })
    }

    /// Returns the path of a collection, for the path of a [`Call`].
    pub(crate) async fn collection<'a>(
        &'a self,
        place: &Place<'a>,
    ) -> Result<Vec<&'a str>, Failure> {
        let collection = place.noun.collection();
        if place.noun == Noun::Object(Kind::Gateway) {
            return Ok(vec![collection]);
        }
        let gateway = match place.gateway {
            Some(gateway) => gateway,
            None => self.gateway().await?,
        };
        let mut path = vec!["gateways", gateway];
        path.extend(
            place
                .upstream
                .iter()
                .flat_map(|upstream| ["upstreams", upstream]),
        );
        path.push(collection);
        Ok(path)
    }

    /// Reads one object.
    pub(crate) async fn read(&self, place: &Place<'_>, name: &str) -> Result<Answer, Failure> {
        let mut path = self.collection(place).await?;
        path.push(name);
        self.client.send(Call::get(&path)).await
    }

    /// Reads one object, if it is there.
    pub(crate) async fn find(
        &self,
        place: &Place<'_>,
        name: &str,
    ) -> Result<Option<Answer>, Failure> {
        match self.read(place, name).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Failure::Refused(problem)) if problem.is_missing_object() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Reads all objects of a collection, page by page.
    pub(crate) async fn list(&self, path: &[&str]) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut call = Call::get(path);
            call.query.push(("limit", PAGE.to_string()));
            call.query
                .extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let mut page = self.client.send(call).await?.body;
            if let Some(found) = page.get_mut("items").and_then(Value::as_array_mut) {
                items.append(found);
            }
            match text(&page, "next_cursor") {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }

    /// Creates an object; `document` says what.
    pub(crate) async fn create(
        &self,
        place: &Place<'_>,
        document: &Value,
    ) -> Result<Value, Failure> {
        let path = self.collection(place).await?;
        let call = Call::new(Method::POST, &path, Some(document));
        Ok(self.client.send(call).await?.body)
    }

    /// Replaces an object, if it is still as it was read.
    pub(crate) async fn replace(
        &self,
        place: &Place<'_>,
        name: &str,
        document: &Value,
        etag: Option<&str>,
    ) -> Result<Value, Failure> {
        let mut path = self.collection(place).await?;
        path.push(name);
        let mut call = Call::new(Method::PUT, &path, Some(document));
        call.if_match = etag;
        Ok(self.client.send(call).await?.body)
    }

    /// Reads how the targets of an upstream are.
    pub(crate) async fn health(&self, upstream: &str) -> Result<Value, Failure> {
        let path = [
            "gateways",
            self.gateway().await?,
            "upstreams",
            upstream,
            "health",
        ];
        Ok(self.client.send(Call::get(&path)).await?.body)
    }

    /// Lists the names of the gateway's upstreams.
    pub(crate) async fn upstream_names(&self) -> Result<Vec<String>, Failure> {
        let upstreams = self
            .list(&["gateways", self.gateway().await?, "upstreams"])
            .await?;
        let names = upstreams.iter().filter_map(|it| text(it, "name"));
        Ok(names.map(str::to_owned).collect())
    }
}

/// In which collection an object is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) noun: Noun,
    /// The gateway, when it is not the session's.
    pub(crate) gateway: Option<&'a str>,
    /// The upstream of a target.
    pub(crate) upstream: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// Splits what the command line calls an object into its collection and its name there.
    pub(crate) fn of(noun: Noun, name: &'a str) -> Result<(Self, &'a str), Failure> {
        match noun {
            Noun::Object(_) => Ok((Self::within(noun), name)),
            Noun::Target => match name.split_once('/') {
                Some((upstream, target)) if !upstream.is_empty() && !target.is_empty() => {
                    Ok((Self::targets_of(upstream), target))
                }
                Some(_) | None => Err(Failure::Usage {
                    message: format!("{name}: name a target as UPSTREAM/TARGET"),
                }),
            },
        }
    }

    /// The collection of a kind in the session's gateway.
    pub(crate) fn within(noun: Noun) -> Self {
        Self {
            noun,
            gateway: None,
            upstream: None,
        }
    }

    /// Returns what the command line calls an object of this place.
    pub(crate) fn name_outside(&self, name: &str) -> String {
        match self.upstream {
            Some(upstream) => format!("{upstream}/{name}"),
            None => name.to_owned(),
        }
    }

    /// The targets of an upstream.
    pub(crate) fn targets_of(upstream: &'a str) -> Self {
        Self {
            noun: Noun::Target,
            gateway: None,
            upstream: Some(upstream),
        }
    }
}

/// Returns a text field of an object.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get(field).and_then(Value::as_str)
}

/// Puts several objects into one answer, as the Admin API lists them.
pub(crate) fn items(items: &[Value]) -> Value {
    json!({ "items": items })
}

/// The largest page that the Admin API gives.
const PAGE: usize = 100;
