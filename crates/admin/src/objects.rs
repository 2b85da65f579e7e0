//! Gateways, upstreams, services, rules and keys: create, read, list, replace, patch, delete.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ai_gateway_model::{Change, Configuration, KeyHash, Kind, Record, used_by};
use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    call::Call,
    paging::Page,
    preconditions::{check_match, check_new, is_create_only, is_known},
    problem::{Code, Problem},
    reply::Reply,
    view,
    write::{Place, Written},
};

/// Lists a page of a collection.
pub(crate) fn list(call: &Call<'_>, kind: Kind) -> Result<Reply, Problem> {
    let configuration = call.admin.store.current();
    let owner = call.owner(kind, &configuration)?;
    let page = Page::of(call)?;
    Ok(page.cut(
        call,
        configuration.records(kind, owner),
        |record| record.id,
        |record| view::object(record, &configuration),
    ))
}

/// Shows an object.
pub(crate) fn read(call: &Call<'_>, kind: Kind) -> Result<Reply, Problem> {
    call.query(&[])?;
    let configuration = call.admin.store.current();
    let record = call.object(kind, &configuration)?;
    if is_known(&call.headers, record.revision) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).revision(record.revision));
    }
    Ok(Reply::json(view::object(record, &configuration)).revision(record.revision))
}

/// Creates an object.
pub(crate) async fn create(call: &Call<'_>, kind: Kind) -> Result<Reply, Problem> {
    call.query(&[])?;
    let document = call.json()?;
    check_new(&call.headers)?;
    create_from(call, kind, &document).await
}

async fn create_from(call: &Call<'_>, kind: Kind, document: &Value) -> Result<Reply, Problem> {
    let id = Uuid::now_v7();
    let key = match kind {
        Kind::Key => Some(new_key()?),
        Kind::Gateway | Kind::Upstream | Kind::Service | Kind::Rule => None,
    };
    let written = call
        .commit(|configuration| {
            let place = Place {
                kind,
                id,
                gateway: call.owner(kind, configuration)?,
                previous: None,
            };
            let mut draft = call.draft(configuration, place, document)?;
            if let Some(key) = &key {
                draft.set_key_hash(KeyHash::of(key));
            }
            if configuration
                .find(kind, place.gateway, &draft.name)
                .is_some()
            {
                let detail = format!("{kind} name {} is taken", draft.name);
                return Err(Problem::new(Code::NameTaken, detail));
            }
            Ok(place.put(draft))
        })
        .await?;
    let record = written.record(kind, id)?;
    let location = match record.gateway {
        None => format!("/api/v1/{}/{id}", kind.collection()),
        Some(gateway) => format!("/api/v1/gateways/{gateway}/{}/{id}", kind.collection()),
    };
    let mut reply = show(&written, kind, id)?.created(location);
    if let (Some(key), crate::reply::Content::Json(Value::Object(body))) = (key, &mut reply.body) {
        body.insert("key".to_owned(), json!(key));
    }
    Ok(reply)
}

/// Replaces an object; with `If-None-Match: *` and a name of its own, creates it.
pub(crate) async fn replace(call: &Call<'_>, kind: Kind) -> Result<Reply, Problem> {
    call.query(&[])?;
    let mut document = call.json()?;
    let reference = call.reference(kind);
    if is_create_only(&call.headers) && Uuid::try_parse(reference).is_err() {
        let configuration = call.admin.store.current();
        let owner = call.owner(kind, &configuration)?;
        if let Some(record) = configuration.find(kind, owner, reference) {
            check_match(&call.headers, record.revision)?;
        }
        let name = document.as_object_mut().and_then(|map| {
            let name = map.entry("name").or_insert_with(|| json!(reference));
            name.as_str().map(str::to_owned)
        });
        if name.as_deref() != Some(reference) {
            let detail = format!("the path names {reference}, and the body another");
            return Err(Problem::new(Code::NameMismatch, detail));
        }
        return create_from(call, kind, &document).await;
    }
    change(call, kind, |_| Ok(document.clone())).await
}

/// Changes parts of an object, as a JSON merge patch says (RFC 7396).
pub(crate) async fn patch(call: &Call<'_>, kind: Kind) -> Result<Reply, Problem> {
    call.query(&[])?;
    let patch = call.json()?;
    change(call, kind, |record| Ok(merged(&record.spec, &patch))).await
}

/// Lays a merge patch over what is stored.
pub(crate) fn merged(stored: &Value, patch: &Value) -> Value {
    let mut document = stored.clone();
    if let Some(map) = document.as_object_mut() {
        for (field, alias) in [("upstream", "upstream_id"), ("service", "service_id")] {
            if patch.get(alias).is_some() {
                map.shift_remove(field);
            }
        }
    }
    json_patch::merge(&mut document, patch);
    document
}

/// Deletes an object that no other uses.
pub(crate) async fn delete(call: &Call<'_>, kind: Kind) -> Result<Reply, Problem> {
    let is_cascade = match call.query(&["cascade"])?.as_slice() {
        [] => false,
        [(_, value)] if kind == Kind::Gateway && value == "true" => true,
        [(_, value)] if value == "false" => false,
        _ => {
            let detail = "cascade must be true or false, and is for gateways only";
            return Err(Problem::new(Code::InvalidParameter, detail));
        }
    };
    call.commit(|configuration| {
        let record = call.object(kind, configuration)?;
        check_match(&call.headers, record.revision)?;
        let users = users(configuration, record);
        if !users.is_empty() && !is_cascade {
            let detail = format!("{kind} is being used by {}", used_by(&users));
            return Err(Problem::new(Code::InUse, detail));
        }
        Ok(vec![Change::Delete {
            kind,
            id: record.id,
        }])
    })
    .await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Lists who would miss an object: those that refer to it, or that are in it.
fn users(configuration: &Configuration, record: &Record) -> Vec<(Kind, String)> {
    let users: Vec<_> = match record.kind {
        Kind::Gateway => Kind::ALL
            .into_iter()
            .flat_map(|kind| configuration.records(kind, Some(record.id)))
            .collect(),
        Kind::Upstream | Kind::Service | Kind::Rule | Kind::Key => {
            configuration.used_by(record.kind, record.id)
        }
    };
    let named = users.iter().map(|user| (user.kind, user.name.clone()));
    named.collect()
}

/// Writes over an object what `document` makes of it.
async fn change(
    call: &Call<'_>,
    kind: Kind,
    document: impl Fn(&Record) -> Result<Value, Problem>,
) -> Result<Reply, Problem> {
    let id = Mutex::new(Uuid::nil());
    let written = call
        .commit(|configuration| {
            let record = call.object(kind, configuration)?;
            check_match(&call.headers, record.revision)?;
            *lock(&id) = record.id;
            let place = Place::of(record);
            let draft = call.draft(configuration, place, &document(record)?)?;
            let other = configuration.find(kind, record.gateway, &draft.name);
            if other.is_some_and(|other| other.id != record.id) {
                let detail = format!("{kind} name {} is taken", draft.name);
                return Err(Problem::new(Code::NameTaken, detail));
            }
            Ok(place.put(draft))
        })
        .await?;
    let id = *lock(&id);
    show(&written, kind, id)
}

fn show(written: &Written, kind: Kind, id: Uuid) -> Result<Reply, Problem> {
    let record = written.record(kind, id)?;
    let mut shown = view::object(record, &written.configuration);
    let warnings = match kind {
        Kind::Upstream | Kind::Service => written.warnings(&record.name),
        Kind::Gateway | Kind::Rule | Kind::Key => Vec::new(),
    };
    if let (false, Some(map)) = (warnings.is_empty(), shown.as_object_mut()) {
        let map: &mut Map<String, Value> = map;
        map.insert("warnings".to_owned(), json!(warnings));
    }
    Ok(Reply::json(shown).revision(record.revision))
}

/// Opens what a commit's closure leaves for afterwards; a value of it is always whole.
pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the secret of a new key: 256 random bits behind a prefix that scanners can look for.
fn new_key() -> Result<String, Problem> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Problem::internal())?;
    Ok(format!("aigw_{}", URL_SAFE_NO_PAD.encode(bytes)))
}
