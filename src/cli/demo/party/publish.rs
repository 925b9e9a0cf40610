//! A party that publishes its own body to the hubs' broker, and reads what becomes of it in a queue of its own.

use futures::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use serde_json::Value;
use tokio::sync::Mutex;

use super::post::{Error, Sent, Sheet, on_the_wire};

/// Delivery mode of a message that survives the broker.
const PERSISTENT: u8 = 2;
/// Media type of a refusal.
const PROBLEM: &str = "application/problem+json";
/// Status of the answer to a body that could be read.
const READ: u16 = 200;

/// Where and as whom a party publishes.
#[derive(Clone, Debug)]
pub struct Place {
    /// Address of the broker.
    pub address: String,
    /// What the names of the hubs' exchanges begin with.
    pub prefix: String,
    /// The party's account.
    pub account: String,
    /// The party.
    pub endpoint: String,
    /// Media type of what it sends.
    pub media_type: String,
}

/// A party's connection to the broker.
#[derive(Debug)]
pub struct Publisher {
    place: Place,
    channel: Channel,
    /// One letter at a time: its answer is the next.
    answers: Mutex<Consumer>,
    queue: ShortString,
    /// Keeps the channel open.
    _connection: Connection,
}

impl Publisher {
    /// Connects, with a queue for answers.
    pub async fn open(place: Place) -> Result<Self, Error> {
        // What the driver says of an address may repeat it, and with it the password.
        let refused = |_| Error::Wire("the broker of bus.url does not let the party in".to_owned());
        let connection =
            Connection::connect(&place.address, ConnectionProperties::default()).await.map_err(refused)?;
        Self::with(place, connection).await.map_err(|error| Error::Wire(error.to_string()))
    }

    async fn with(place: Place, connection: Connection) -> lapin::Result<Self> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let own =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?.name().clone();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let answers = channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?;
        Ok(Self { place, channel, answers: Mutex::new(answers), queue, _connection: connection })
    }

    /// Publishes one file and waits for the hub's answer.
    pub(super) async fn send(&self, sheet: &Sheet) -> Result<Sent, Error> {
        let mut answers = self.answers.lock().await;
        let wire = |error: lapin::Error| Error::Wire(error.to_string());
        match self.publish(sheet).await.map_err(wire)? {
            Confirmation::Ack(None) => {}
            _ => return Err(Error::Wire("the broker does not take what the party publishes".to_owned())),
        }
        let answer = answers.next().await.ok_or_else(|| Error::Wire("no answers any more".to_owned()))?;
        let answer = answer.map_err(wire)?;
        let text = String::from_utf8_lossy(&answer.data).into_owned();
        let is_problem =
            answer.properties.content_type().as_ref().is_some_and(|media| media.as_str() == PROBLEM);
        let status = if is_problem { status(&text) } else { READ };
        Ok(Sent { name: sheet.name.clone(), status, answer: text })
    }

    async fn publish(&self, sheet: &Sheet) -> lapin::Result<Confirmation> {
        let Place { prefix, account, endpoint, media_type, .. } = &self.place;
        let properties = BasicProperties::default()
            .with_content_type(media_type.as_str().into())
            .with_delivery_mode(PERSISTENT)
            .with_user_id(account.as_str().into())
            .with_reply_to(self.queue.clone());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (format!("{prefix}.intake"), format!("{endpoint}.own"));
        let body = on_the_wire(media_type, &sheet.bytes);
        self.channel.basic_publish(exchange.into(), key.into(), options, &body, properties).await?.await
    }
}

/// The status that a problem names.
fn status(problem: &str) -> u16 {
    let problem: Value = serde_json::from_str(problem).unwrap_or_default();
    problem["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default()
}
