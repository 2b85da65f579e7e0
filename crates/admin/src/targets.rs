//! The targets of an upstream, one by one: each write is a write of the upstream.

use std::sync::Mutex;

use ai_gateway_model::{Configuration, Faults, Kind, Record, Upstream};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    call::Call,
    objects::{lock, merged},
    paging::Page,
    preconditions::{check_match, check_unchanged, is_known},
    problem::{Code, Problem},
    reply::Reply,
    view,
    write::{Place, Written},
};

/// Lists a page of an upstream's targets, in the order of their ids.
pub(crate) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let configuration = call.admin.store.current();
    let (record, upstream) = find_upstream(call, &configuration)?;
    let page = Page::of(call)?;
    let mut targets: Vec<_> = upstream.targets().iter().collect();
    targets.sort_by_key(|target| target.id());
    let reply = page.cut(
        call,
        targets.into_iter(),
        |target| target.id(),
        |target| show(record, &configuration, target.name()).unwrap_or_default(),
    );
    Ok(reply.revision(record.revision))
}

/// Shows a target.
pub(crate) fn read(call: &Call<'_>) -> Result<Reply, Problem> {
    call.query(&[])?;
    let configuration = call.admin.store.current();
    let (record, upstream) = find_upstream(call, &configuration)?;
    let (_, name) = find(call, upstream)?;
    if is_known(&call.headers, record.revision) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).revision(record.revision));
    }
    let shown = show(record, &configuration, &name).ok_or_else(Problem::internal)?;
    Ok(Reply::json(shown).revision(record.revision))
}

/// Adds a target.
pub(crate) async fn create(call: &Call<'_>) -> Result<Reply, Problem> {
    call.query(&[])?;
    let document = call.json()?;
    let (written, name) = change(call, |upstream, targets| {
        let name = document.get("name").and_then(Value::as_str);
        if let Some(name) = name.filter(|name| upstream.target(name).is_some()) {
            let detail = format!("target name {name} is taken");
            return Err(Problem::new(Code::NameTaken, detail));
        }
        targets.push(without_read_only(&document));
        Ok(targets.len() - 1)
    })
    .await?;
    let reply = answer(call, &written, &name)?;
    let id = match &reply.body {
        crate::reply::Content::Json(body) => body.get("id").and_then(Value::as_str),
        crate::reply::Content::Empty | crate::reply::Content::Text(..) => None,
    };
    let location = format!("{}/{}", call.uri.path(), id.unwrap_or(&name));
    Ok(reply.created(location))
}

/// Replaces a target; it keeps its name unless it is given another.
pub(crate) async fn replace(call: &Call<'_>) -> Result<Reply, Problem> {
    call.query(&[])?;
    let document = call.json()?;
    rewrite(call, |stored| {
        let mut document = without_read_only(&document);
        if let (Some(map), Some(name)) = (document.as_object_mut(), stored.get("name")) {
            map.entry("name").or_insert_with(|| name.clone());
        }
        document
    })
    .await
}

/// Changes parts of a target, as a JSON merge patch says.
pub(crate) async fn patch(call: &Call<'_>) -> Result<Reply, Problem> {
    call.query(&[])?;
    let patch = call.json()?;
    rewrite(call, |stored| merged(stored, &without_read_only(&patch))).await
}

/// Removes a target; what is under way on it goes on to its end.
pub(crate) async fn delete(call: &Call<'_>) -> Result<Reply, Problem> {
    call.query(&[])?;
    call.commit(|configuration| {
        let (record, upstream) = find_upstream(call, configuration)?;
        check_match(&call.headers, record.revision)?;
        let (index, _) = find(call, upstream)?;
        let mut document = record.spec.clone();
        targets_of(&mut document)?.remove(index);
        let place = Place::of(record);
        Ok(place.put(call.draft(configuration, place, &document)?))
    })
    .await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Lets a target finish what is under way, and gives it nothing new.
pub(crate) async fn drain(call: &Call<'_>) -> Result<Reply, Problem> {
    call.query(&[])?;
    let mut deadline = Value::Null;
    if !call.body.is_empty() {
        let mut faults = Faults::default();
        for (name, value) in call.json()?.as_object().into_iter().flatten() {
            if name != "deadline_seconds" {
                let hint = Some("the only field is deadline_seconds".to_owned());
                faults.push_with(format!("/{name}"), format!("unknown field {name}"), hint);
            } else if !(value.is_null() || value.as_f64().is_some_and(|seconds| seconds > 0.0)) {
                faults.push(
                    "/deadline_seconds",
                    "must be a number of seconds above zero",
                );
            } else {
                deadline = value.clone();
            }
        }
        if !faults.is_empty() {
            return Err(Problem::invalid(&faults));
        }
    }
    set_state(call, "draining", &deadline).await
}

/// Takes a target out.
pub(crate) async fn disable(call: &Call<'_>) -> Result<Reply, Problem> {
    call.query(&[])?;
    set_state(call, "disabled", &Value::Null).await
}

/// Puts a target back.
pub(crate) async fn enable(call: &Call<'_>) -> Result<Reply, Problem> {
    call.query(&[])?;
    set_state(call, "enabled", &Value::Null).await
}

async fn set_state(call: &Call<'_>, state: &str, deadline: &Value) -> Result<Reply, Problem> {
    let patch = json!({ "state": state, "drain_deadline": deadline });
    rewrite(call, |stored| merged(stored, &patch)).await
}

/// Writes over a target what `document` makes of it.
async fn rewrite(call: &Call<'_>, document: impl Fn(&Value) -> Value) -> Result<Reply, Problem> {
    let (written, name) = change(call, |upstream, targets| {
        let (index, _) = find(call, upstream)?;
        let target = targets.get_mut(index).ok_or_else(Problem::internal)?;
        *target = document(target);
        Ok(index)
    })
    .await?;
    answer(call, &written, &name)
}

/// Changes the list of targets; `edit` answers which of them the call is about. Returns its name.
async fn change(
    call: &Call<'_>,
    edit: impl Fn(&Upstream, &mut Vec<Value>) -> Result<usize, Problem>,
) -> Result<(Written, String), Problem> {
    let name = Mutex::new(String::new());
    let written = call
        .commit(|configuration| {
            let (record, upstream) = find_upstream(call, configuration)?;
            if call.is_creation() {
                check_unchanged(&call.headers, record.revision)?;
            } else {
                check_match(&call.headers, record.revision)?;
            }
            let mut document = record.spec.clone();
            let index = edit(upstream, targets_of(&mut document)?)?;
            let place = Place::of(record);
            let mut draft = call
                .draft(configuration, place, &document)
                .map_err(|problem| rebased(problem, index))?;
            let target = targets_of(&mut draft.spec)?.get(index);
            let found = target
                .and_then(|target| target.get("name"))
                .and_then(Value::as_str);
            *lock(&name) = found.unwrap_or_default().to_owned();
            Ok(place.put(draft))
        })
        .await?;
    let name = lock(&name).clone();
    Ok((written, name))
}

fn answer(call: &Call<'_>, written: &Written, name: &str) -> Result<Reply, Problem> {
    let (record, _) = find_upstream(call, &written.configuration)?;
    let mut shown = show(record, &written.configuration, name).ok_or_else(Problem::internal)?;
    let warnings: Vec<Value> = written
        .warnings(&record.name)
        .into_iter()
        .filter(|warning| warning.get("target").and_then(Value::as_str) == Some(name))
        .collect();
    if let (false, Some(map)) = (warnings.is_empty(), shown.as_object_mut()) {
        map.insert("warnings".to_owned(), json!(warnings));
    }
    Ok(Reply::json(shown).revision(record.revision))
}

/// Shows the target called `name`, with its upstream's revision.
fn show(record: &Record, configuration: &Configuration, name: &str) -> Option<Value> {
    let upstream = view::object(record, configuration);
    let targets = upstream.get("targets")?.as_array()?;
    let is_it = |target: &&Value| target.get("name").and_then(Value::as_str) == Some(name);
    let mut target = targets.iter().find(is_it)?.clone();
    let revision = json!(record.revision);
    target
        .as_object_mut()?
        .insert("revision".to_owned(), revision);
    Some(target)
}

fn find_upstream<'c>(
    call: &Call<'_>,
    configuration: &'c Configuration,
) -> Result<(&'c Record, &'c Upstream), Problem> {
    let record = call.object(Kind::Upstream, configuration)?;
    let upstream = record
        .gateway
        .and_then(|gateway| configuration.upstream(gateway, &record.id.to_string()));
    Ok((record, upstream.ok_or_else(Problem::internal)?))
}

/// Finds the target that the path names: its place and its name.
fn find(call: &Call<'_>, upstream: &Upstream) -> Result<(usize, String), Problem> {
    let reference = call.target();
    let found = upstream.target(reference);
    let found = found.ok_or_else(|| Problem::not_found("target", reference))?;
    let index = upstream
        .targets()
        .iter()
        .position(|target| target.id() == found.id());
    Ok((index.unwrap_or_default(), found.name().to_string()))
}

fn targets_of(document: &mut Value) -> Result<&mut Vec<Value>, Problem> {
    document
        .get_mut("targets")
        .and_then(Value::as_array_mut)
        .ok_or_else(Problem::internal)
}

fn without_read_only(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(map) = document.as_object_mut() {
        for name in ["revision", "warnings"] {
            map.shift_remove(name);
        }
    }
    document
}

/// Makes the pointers of faults start at the target instead of the upstream.
fn rebased(mut problem: Problem, index: usize) -> Problem {
    let prefix = format!("/targets/{index}");
    let mut faults = Faults::default();
    for fault in std::mem::take(&mut problem.faults) {
        let pointer = fault.pointer.strip_prefix(&prefix);
        let pointer = pointer.unwrap_or(&fault.pointer).to_owned();
        faults.push_with(pointer, fault.message, fault.suggestion);
    }
    if faults.is_empty() {
        problem
    } else {
        Problem::invalid(&faults)
    }
}
