//! The control endpoints: how a person or a program in another language steers a stand-in.
//!
//! | call | effect |
//! |---|---|
//! | `GET /__control` | who it is, how it behaves, what it counted |
//! | `GET /__control/requests` | every request so far |
//! | `PUT /__control/behaviour` | a behaviour, from now on |
//! | `PUT /__control/script` | a list of behaviours, for the next requests |
//! | `POST /__control/stop`, `/start` | closes the port, opens it again; on the control port only |

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::{StandIn, State, json_bytes, lock};
use crate::{Behaviour, Received, Served};

pub(super) const PATH: &str = "/__control";

/// Answers on the control port, where the stand-in's own port can be closed and opened too.
pub(super) async fn answer_anywhere(
    stand_in: &StandIn,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let response = match (request.method(), request.uri().path()) {
        (&Method::POST, "/__control/stop") => {
            stand_in.stop().await;
            respond(StatusCode::OK, &json!({"listening": false}))
        }
        (&Method::POST, "/__control/start") => match stand_in.start_again().await {
            Ok(()) => respond(StatusCode::OK, &json!({"listening": true})),
            Err(error) => respond(StatusCode::CONFLICT, &json!({"error": error.to_string()})),
        },
        _ => answer(&stand_in.state, request).await,
    };
    response.map(Full::new)
}

pub(super) async fn answer(state: &State, request: Request<Incoming>) -> Response<Bytes> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            return respond(
                StatusCode::BAD_REQUEST,
                &json!({"error": error.to_string()}),
            );
        }
    };
    let subject = path.strip_prefix(PATH).unwrap_or_default();
    let done = match (&method, subject) {
        (&Method::GET, "") => Ok(overview(state)),
        (&Method::GET, "/requests") => Ok(state.journal.all().iter().map(request_json).collect()),
        (&Method::PUT, "/behaviour") => {
            serde_json::from_slice::<Behaviour>(&body).map(|behaviour| {
                *lock(&state.behaviour) = behaviour;
                overview(state)
            })
        }
        (&Method::PUT, "/script") => {
            serde_json::from_slice::<Vec<Behaviour>>(&body).map(|script| {
                *lock(&state.script) = script.into();
                overview(state)
            })
        }
        _ => return respond(StatusCode::NOT_FOUND, &json!({"error": "no such control"})),
    };
    match done {
        Ok(value) => respond(StatusCode::OK, &value),
        Err(error) => respond(
            StatusCode::BAD_REQUEST,
            &json!({"error": error.to_string()}),
        ),
    }
}

fn overview(state: &State) -> Value {
    let requests = state.journal.all();
    let count = |served| {
        requests
            .iter()
            .filter(|request| request.served == served)
            .count()
    };
    json!({
        "name": state.name,
        "dialect": state.dialect,
        "behaviour": *lock(&state.behaviour),
        "scripted": lock(&state.script).len(),
        "connections": state.connections.load(std::sync::atomic::Ordering::Relaxed),
        "requests": requests.len(),
        "done": count(Served::Done),
        "cut": count(Served::Cut),
        "cancelled": count(Served::Cancelled),
    })
}

fn request_json(request: &Received) -> Value {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
    let headers: Map<String, Value> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
        .collect();
    json!({
        "method": request.method.as_str(),
        "target": request.target,
        "headers": headers,
        "head": text(&request.head),
        "body": serde_json::from_slice(&request.body).unwrap_or_else(|_error| text(&request.body)),
        "served": format!("{:?}", request.served).to_lowercase(),
    })
}

fn respond(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(json_bytes(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}
