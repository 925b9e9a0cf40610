//! `Query` and `Operations`: the counter that HTTP and commands ask, with typed answers. What one may see and
//! do, and what it leaves in the trail, is the same everywhere.

use bytes::Bytes;
use form_urlencoded::Serializer;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

use super::{access::identity, status};
use crate::{
    api::http::{Counter, Identity, ask_as},
    domain::{
        id::{DeliveryId, MessageId},
        personal::shown,
    },
    port::intake::Code,
    proto::v1::{
        DeliveryView, EvidencePart, FindMessagesRequest, FindMessagesResponse, GetDeliveryEvidenceRequest,
        GetDeliveryRequest, GetMessageRequest, ListDeliveriesRequest, ListDeliveriesResponse, MessageView,
        OperateRequest, OperateResponse, ServeOfflineRequest, Trail, TrailEntry,
        operations_server::Operations, query_server::Query,
    },
};

/// Bytes of an evidence file in one part: well below what clients take in one message.
const PART_BYTES: usize = 1 << 20;

/// The counter behind both services.
#[derive(Clone, Debug)]
pub(super) struct Window(pub(super) Counter);

impl Window {
    async fn ask(&self, identity: Identity, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string().into_bytes());
        let (status, body) = ask_as(&self.0, identity, method, path, body).await.map_err(|error| {
            tracing::warn!(%error, "the counter could not be asked");
            status::refuse(Code::Unavailable, "the counter cannot answer now; try again later")
        })?;
        if !(200..300).contains(&status) {
            return Err(status::problem(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| unexpected(&error))
    }

    /// The bytes of an answer that is no JSON.
    async fn bytes(&self, identity: Identity, path: &str) -> Result<Bytes, Status> {
        let (status, body) = ask_as(&self.0, identity, "GET", path, None).await.map_err(|error| {
            tracing::warn!(%error, "the counter could not be asked");
            status::refuse(Code::Unavailable, "the counter cannot answer now; try again later")
        })?;
        if (200..300).contains(&status) { Ok(body) } else { Err(status::problem(status, &body)) }
    }

    async fn get(&self, identity: Identity, path: &str) -> Answer {
        self.ask(identity, "GET", path, None).await
    }

    async fn operate(&self, request: &Request<impl Sync>, asked: Asked<'_>) -> Operated {
        let Asked { delivery, operation, body } = asked;
        let path = format!("/v1/deliveries/{}/{operation}", id::<DeliveryId>("delivery", delivery)?);
        let answer = self.ask(identity(request)?, "POST", &path, Some(body)).await?;
        read(answer).map(Response::new)
    }

    async fn plain(&self, request: Request<OperateRequest>, operation: &str) -> Operated {
        let OperateRequest { delivery, reason, dry_run } = request.get_ref();
        let body = json!({ "reason": reason, "dry_run": dry_run });
        self.operate(&request, Asked { delivery, operation, body }).await
    }
}

type Answer = Result<Value, Status>;
type Operated = Result<Response<OperateResponse>, Status>;

struct Asked<'a> {
    delivery: &'a str,
    operation: &'a str,
    body: Value,
}

#[tonic::async_trait]
impl Query for Window {
    async fn get_message(
        &self,
        request: Request<GetMessageRequest>,
    ) -> Result<Response<MessageView>, Status> {
        let path = format!("/v1/messages/{}", id::<MessageId>("message", &request.get_ref().id)?);
        read(self.get(identity(&request)?, &path).await?).map(Response::new)
    }

    async fn find_messages(
        &self,
        request: Request<FindMessagesRequest>,
    ) -> Result<Response<FindMessagesResponse>, Status> {
        let FindMessagesRequest { business_key, organisation, kind, revision } = request.get_ref();
        let revision = if *revision == 0 { String::new() } else { revision.to_string() };
        let query = query(&[("organisation", organisation), ("kind", kind), ("revision", &revision)]);
        let key = Serializer::new(String::new()).append_pair("business_key", business_key).finish();
        let answer = self.get(identity(&request)?, &format!("/v1/messages?{key}&{query}")).await?;
        read(json!({ "messages": answer })).map(Response::new)
    }

    async fn get_message_trail(
        &self,
        request: Request<GetMessageRequest>,
    ) -> Result<Response<Trail>, Status> {
        let path = format!("/v1/messages/{}/trail", id::<MessageId>("message", &request.get_ref().id)?);
        trail(self.get(identity(&request)?, &path).await?)
    }

    async fn get_delivery(
        &self,
        request: Request<GetDeliveryRequest>,
    ) -> Result<Response<DeliveryView>, Status> {
        let path = format!("/v1/deliveries/{}", id::<DeliveryId>("delivery", &request.get_ref().id)?);
        read(self.get(identity(&request)?, &path).await?).map(Response::new)
    }

    async fn get_delivery_trail(
        &self,
        request: Request<GetDeliveryRequest>,
    ) -> Result<Response<Trail>, Status> {
        let path = format!("/v1/deliveries/{}/trail", id::<DeliveryId>("delivery", &request.get_ref().id)?);
        trail(self.get(identity(&request)?, &path).await?)
    }

    type GetDeliveryEvidenceStream = BoxStream<'static, Result<EvidencePart, Status>>;

    async fn get_delivery_evidence(
        &self,
        request: Request<GetDeliveryEvidenceRequest>,
    ) -> Result<Response<Self::GetDeliveryEvidenceStream>, Status> {
        let GetDeliveryEvidenceRequest { id, page, redact } = request.get_ref();
        let id = self::id::<DeliveryId>("delivery", id)?;
        let form = if *page { "html" } else { "json" };
        let path = format!("/v1/deliveries/{id}/evidence.{form}?redact={redact}");
        let mut bytes = self.bytes(identity(&request)?, &path).await?;
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            let content = bytes.split_to(bytes.len().min(PART_BYTES));
            parts.push(Ok(EvidencePart { content }));
        }
        Ok(Response::new(stream::iter(parts).boxed()))
    }

    async fn list_deliveries(
        &self,
        request: Request<ListDeliveriesRequest>,
    ) -> Result<Response<ListDeliveriesResponse>, Status> {
        let ListDeliveriesRequest { state, endpoint, organisation, message, offset, limit } =
            request.get_ref();
        let limit = if *limit == 0 { String::new() } else { limit.to_string() };
        let query = query(&[
            ("state", state),
            ("endpoint", endpoint),
            ("organisation", organisation),
            ("message", message),
            ("offset", &offset.to_string()),
            ("limit", &limit),
        ]);
        let answer = self.get(identity(&request)?, &format!("/v1/deliveries?{query}")).await?;
        read(json!({ "deliveries": answer })).map(Response::new)
    }
}

#[tonic::async_trait]
impl Operations for Window {
    async fn retry(&self, request: Request<OperateRequest>) -> Operated {
        self.plain(request, "retry").await
    }

    async fn park(&self, request: Request<OperateRequest>) -> Operated {
        self.plain(request, "park").await
    }

    async fn skip(&self, request: Request<OperateRequest>) -> Operated {
        self.plain(request, "skip").await
    }

    async fn withdraw(&self, request: Request<OperateRequest>) -> Operated {
        self.plain(request, "withdraw").await
    }

    async fn serve_offline(&self, request: Request<ServeOfflineRequest>) -> Operated {
        let ServeOfflineRequest { delivery, reason, document, dry_run } = request.get_ref();
        let body = json!({ "reason": reason, "document": document, "dry_run": dry_run });
        self.operate(&request, Asked { delivery, operation: "offline", body }).await
    }

    async fn confirm_relay(&self, request: Request<OperateRequest>) -> Operated {
        self.plain(request, "confirm").await
    }
}

/// An id, which may stand in a path.
fn id<T: std::str::FromStr + std::fmt::Display>(what: &str, text: &str) -> Result<T, Status> {
    let wrong = || status::refuse(Code::Malformed, format!("'{}' is not a {what} id", shown(text)));
    text.parse().map_err(|_| wrong())
}

/// A query of what is said.
fn query(pairs: &[(&str, &str)]) -> String {
    let said = pairs.iter().filter(|(_, value)| !value.is_empty());
    Serializer::new(String::new()).extend_pairs(said).finish()
}

fn trail(answer: Value) -> Result<Response<Trail>, Status> {
    let rows: Vec<Value> = serde_json::from_value(answer).map_err(|error| unexpected(&error))?;
    let entries = rows.into_iter().map(|mut row| {
        let data = row["data"].take();
        let entry = read::<TrailEntry>(without(row, "data"))?;
        Ok(TrailEntry { data: if data.is_null() { String::new() } else { data.to_string() }, ..entry })
    });
    Ok(Response::new(Trail { entries: entries.collect::<Result<_, Status>>()? }))
}

fn without(mut row: Value, name: &str) -> Value {
    if let Some(row) = row.as_object_mut() {
        row.remove(name);
    }
    row
}

/// The typed form of an answer, in which what is null is absent.
fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Status> {
    serde_json::from_value(said(answer)).map_err(|error| unexpected(&error))
}

fn said(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, said(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(said).collect()),
        other => other,
    }
}

fn unexpected(error: &serde_json::Error) -> Status {
    tracing::error!(%error, "an answer of the counter has another form than the schema");
    Status::internal("the answer has another form than the schema")
}
