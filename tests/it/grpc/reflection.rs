//! A client that knows server reflection alone: it learns the schema from the hub, submits, takes a delivery out of
//! a mailbox, acknowledges it and reads the trail. And health, asked by anybody.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, Value, prost_types::FileDescriptorProto,
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{
    v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    },
    v1alpha,
};

use super::bureau_and_mailbox;
use crate::harness::{
    rpc::{channel, soon, with_token},
    sender::result,
};

/// Messages of a schema that was learned.
#[derive(Clone, Debug)]
struct Learned(MessageDescriptor);

impl Codec for Learned {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Learned {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Learned {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), buffer);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

async fn reflect(channel: &Channel, asked: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
    let mut client = ServerReflectionClient::new(channel.clone());
    let answers = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap();
    let answer = soon("reflection answers", answers.into_inner().message()).await.unwrap().unwrap();
    answer.message_response.unwrap()
}

/// All services that the server names, with every file they need.
async fn learn(channel: &Channel) -> (BTreeSet<String>, DescriptorPool) {
    let MessageResponse::ListServicesResponse(list) =
        reflect(channel, MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list of services")
    };
    let services: BTreeSet<String> = list.service.into_iter().map(|service| service.name).collect();
    let mut asked: Vec<_> =
        services.iter().map(|name| MessageRequest::FileContainingSymbol(name.clone())).collect();
    let mut files = BTreeMap::new();
    while let Some(request) = asked.pop() {
        let MessageResponse::FileDescriptorResponse(found) = reflect(channel, request).await else {
            panic!("no such file")
        };
        for bytes in found.file_descriptor_proto {
            let file = FileDescriptorProto::decode(bytes.as_slice()).unwrap();
            let needed = file.dependency.iter().filter(|name| !files.contains_key(*name));
            asked.extend(needed.cloned().map(MessageRequest::FileByFilename));
            files.insert(file.name().to_owned(), file);
        }
    }
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_protos(files.into_values()).unwrap();
    (services, pool)
}

struct Client {
    channel: Channel,
    pool: DescriptorPool,
}

impl Client {
    fn codec(&self, service: &str, method: &str) -> (MessageDescriptor, Learned, PathAndQuery) {
        let found = self.pool.get_service_by_name(service).unwrap();
        let found = found.methods().find(|found| found.name() == method).unwrap();
        let path = format!("/{service}/{method}").parse().unwrap();
        (found.input(), Learned(found.output()), path)
    }

    async fn ask(&self, token: &str, call: (&str, &str), request: serde_json::Value) -> serde_json::Value {
        let (input, output, path) = self.codec(call.0, call.1);
        let message = DynamicMessage::deserialize(input, request).unwrap();
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let answer = grpc.unary(with_token(token, message), path, output).await.unwrap().into_inner();
        serde_json::to_value(&answer).unwrap()
    }
}

fn field<'m>(message: &'m DynamicMessage, name: &str) -> &'m DynamicMessage {
    match message.get_field_by_name(name).unwrap() {
        std::borrow::Cow::Borrowed(Value::Message(inner)) => inner,
        other => panic!("{name} is {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_knows_reflection_alone_submits_receives_and_reads_the_trail() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.start();
    let channel = channel(&address);
    let (services, pool) = learn(&channel).await;
    for name in ["Intake", "Mailbox", "Operations", "Query", "Workers"] {
        assert!(services.contains(&format!("liandong.v1.{name}")), "{services:?}");
    }
    assert!(services.contains("grpc.health.v1.Health"));
    let client = Client { channel: channel.clone(), pool };

    let (input, output, path) = client.codec("liandong.v1.Mailbox", "Open");
    let request = |json: serde_json::Value| DynamicMessage::deserialize(input.clone(), json).unwrap();
    let (sender, receiver) = mpsc::channel(8);
    sender.send(request(json!({ "open": { "credit": 1 } }))).await.unwrap();
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let call: Request<_> = with_token(&hub.token("scjgj"), ReceiverStream::new(receiver));
    let mut mailbox = grpc.streaming(call, path, output).await.unwrap().into_inner();
    let opened = soon("the mailbox opens", mailbox.message()).await.unwrap().unwrap();
    assert!(opened.has_field_by_name("opened"));

    let bureau = hub.token("xzspj");
    let submit = ("liandong.v1.Intake", "Submit");
    let accepted = client.ask(&bureau, submit, json!({ "message": result("A", "L") })).await;
    assert_eq!(accepted["receiptOf"], "RECEIPT_OF_FIRST");

    let said = soon("a delivery", mailbox.message()).await.unwrap().unwrap();
    let delivery: serde_json::Value = serde_json::to_value(field(&said, "delivery")).unwrap();
    assert_eq!(delivery["message"], accepted["message"]);
    let acknowledge = json!({ "delivery": delivery["delivery"], "lease": delivery["lease"] });
    sender.send(request(json!({ "acknowledge": acknowledge }))).await.unwrap();
    let said = soon("it is settled", mailbox.message()).await.unwrap().unwrap();
    let settled = serde_json::to_value(field(&said, "settled")).unwrap();
    assert_eq!(settled["count"], "ANSWER_COUNT_COUNTED");
    hub.until(delivery["delivery"].as_str().unwrap(), "delivered").await;

    let trail = ("liandong.v1.Query", "GetMessageTrail");
    let trail = client.ask(&bureau, trail, json!({ "id": accepted["message"] })).await;
    let events: Vec<_> = trail["entries"].as_array().unwrap().iter().map(|entry| &entry["event"]).collect();
    assert!(events.contains(&&json!("message.accepted")), "{events:?}");
    assert!(events.contains(&&json!("delivery.attempted")), "{events:?}");
}

/// Many libraries, that for Python among them, ask for the schema by its older name alone.
#[tokio::test(flavor = "multi_thread")]
async fn reflection_by_its_older_name_tells_the_same() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.start();
    let channel = channel(&address);
    let symbol = "liandong.v1.Intake".to_owned();
    let MessageResponse::FileDescriptorResponse(now) =
        reflect(&channel, MessageRequest::FileContainingSymbol(symbol.clone())).await
    else {
        panic!("no such file")
    };

    let asked = v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(symbol);
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let answers = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap();
    let answer = soon("reflection answers", answers.into_inner().message()).await.unwrap().unwrap();
    let Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(before)) =
        answer.message_response
    else {
        panic!("no such file")
    };
    assert!(!now.file_descriptor_proto.is_empty());
    assert_eq!(before.file_descriptor_proto, now.file_descriptor_proto);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_readiness_for_all_and_for_each_service() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.start();
    let channel = channel(&address);
    let mut health = HealthClient::new(channel);
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let mut watch = health.watch(ask("")).await.unwrap().into_inner();
    let status = async |watch: &mut tonic::Streaming<tonic_health::pb::HealthCheckResponse>| {
        soon("a status", watch.message()).await.ok().flatten().map(|answer| answer.status())
    };
    while status(&mut watch).await != Some(ServingStatus::Serving) {}
    for service in
        ["liandong.v1.Intake", "liandong.v1.Mailbox", "liandong.v1.Operations", "liandong.v1.Query"]
    {
        let answer = health.check(ask(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    hub.terminate();
    assert_ne!(
        status(&mut watch).await,
        Some(ServingStatus::Serving),
        "once told to stop, it does not serve"
    );
    drop(watch);
    assert_eq!(hub.ended().await, 0);
}
