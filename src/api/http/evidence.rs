//! Evidence files over HTTP: the bytes that `liandong evidence export` writes, or the page for people. Whoever may see the
//! trail of a delivery may have them; what the message says is in them for its sender, for operators, and for a
//! recipient who was sent all of it.

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Counter, Identity, Problem, query::find_delivery};
use crate::{
    engine::evidence::{
        export::{self, Content},
        issue, page, verify,
    },
    port::{
        intake::{Code, Refusal},
        store::{DeliveryRow, Scope},
    },
};

/// Media type of an evidence file.
pub const MEDIA: &str = "application/vnd.liandong.evidence+json";
const HTML: &str = "text/html; charset=utf-8";

/// Query of all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Without what the message says and targets answered.
    #[serde(default)]
    redact: bool,
}

type Asked = Result<Query<Wanted>, QueryRejection>;

/// `GET /v1/deliveries/{id}/evidence`: the file; the page where `Accept` prefers HTML.
pub(super) async fn either(
    state: State<Counter>,
    identity: Identity,
    path: Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Problem> {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let place = |name: &str| accepts.find(name).unwrap_or(usize::MAX);
    if place("text/html") < place("json") {
        page(state, identity, path, asked).await
    } else {
        file(state, identity, path, asked).await
    }
}

/// `GET /v1/deliveries/{id}/evidence.json`.
pub(super) async fn file(
    State(counter): State<Counter>,
    identity: Identity,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let issued = issued(&counter, &identity, &id, asked).await?;
    Ok(answer(MEDIA, &format!("attachment; filename=\"evidence-{id}.json\""), issued.bytes))
}

/// `GET /v1/deliveries/{id}/evidence.html`: for people, in Chinese, to print.
pub(super) async fn page(
    State(counter): State<Counter>,
    identity: Identity,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let issued = issued(&counter, &identity, &id, asked).await?;
    let proven = verify::verify(&issued.bytes, &issued.keys, None).map_err(|failed| unsound(&failed))?;
    Ok(answer(HTML, "inline", page::of(&proven).into_bytes()))
}

/// Persons may stand in it: nothing on the way keeps it.
fn answer(media: &'static str, disposition: &str, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, bytes).into_response()
}

async fn issued(
    counter: &Counter,
    identity: &Identity,
    id: &str,
    asked: Asked,
) -> Result<issue::Issued, Problem> {
    let Query(Wanted { redact }) = asked.map_err(|_| {
        Problem::bad_request("the query is not as expected; it may name redact (true or false)")
    })?;
    let row = find_delivery(counter, identity, id).await?;
    let content = if redact { Content::LeftOut } else { content_for(counter, identity, &row).await? };
    counter.evidence.of_delivery(row.id, content).await.map_err(problem)
}

/// What the asker may read: a recipient who is sent less than the message says does not get the rest this way.
async fn content_for(counter: &Counter, identity: &Identity, row: &DeliveryRow) -> Result<Content, Problem> {
    let Scope::Endpoint(endpoint) = &identity.scope else { return Ok(Content::Opened) };
    let Some(message) = counter.store.message(row.message).await? else { return Ok(Content::LeftOut) };
    if message.endpoint == *endpoint {
        return Ok(Content::Opened);
    }
    let decision: Value = serde_json::from_slice(&message.decision).unwrap_or_default();
    let all = decision["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut own = all.iter().filter(|it| it["endpoint"] == endpoint.as_str()).peekable();
    let is_whole = own.peek().is_some() && own.all(|it| it["redaction"] == "none");
    Ok(if is_whole { Content::Opened } else { Content::LeftOut })
}

fn problem(error: issue::Error) -> Problem {
    use export::Error as Export;
    use issue::Error;
    let detail = error.to_string();
    match error {
        Error::Busy => Problem::from(Refusal::new(Code::Overloaded, detail)),
        Error::TooLarge { .. } | Error::Export(Export::TooMuch { .. }) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "evidence_too_large",
            "证据包过大，请用命令行出具",
            detail,
        ),
        Error::NoKey(_) | Error::Export(Export::Sign(_)) => {
            tracing::warn!(error = detail, "an evidence file could not be signed");
            Problem::from(Refusal::new(Code::Unavailable, "the hub cannot sign now; try again later"))
        }
        Error::Export(Export::Store(error)) => error.into(),
        Error::Export(Export::Unknown(_)) => Problem::missing(detail),
        Error::Export(Export::Archived(_)) => {
            let detail = format!("{detail}; the office writes it with 'liandong evidence export --archives'");
            Problem::new(StatusCode::GONE, "archived", "留痕已归档，请向枢纽运维单位申请出具", detail)
        }
        Error::Export(Export::Unsealed { .. }) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unsealed", "留痕尚未封存，请稍后再试", detail)
        }
        Error::Export(other) => unsound(&other),
    }
}

fn unsound(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "the store does not bear an evidence file out; run 'liandong seal verify'");
    let detail = "what is stored is not what was sealed; the operators of the hub are told";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unsound", "存储内容与留痕不符，不予出具", detail)
}
